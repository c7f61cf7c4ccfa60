package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
)

// cursor is how far a webhook is. It is used by one goroutine.
type cursor struct {
	bucket   *kv.Bucket
	key      string
	revision uint64
	value    cursorValue
}

type cursorValue struct {
	// After is the position up to which events were accepted or given up.
	After string `json:"after"`
	// Event is the ID of the last event of which the content is known, up to After, and
	// Digest is that of its content: events that were moved have other IDs. "": none is.
	Event  string `json:"event,omitempty"`
	Digest string `json:"digest,omitempty"`
}

// knows notes the last event.
func (v *cursorValue) knows(e *events.Event) { v.Event, v.Digest = e.ID, digest(e) }

// is reports whether an event is the last one.
func (v *cursorValue) is(e *events.Event) bool { return digest(e) == v.Digest }

// digest is that of what an event says, wherever it is.
func digest(e *events.Event) string {
	content := *e
	content.ID, content.Name = "", ""
	data, err := json.Marshal(content)
	if err != nil { // texts and a time
		panic("webhook: " + err.Error())
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// load reads the cursor; found is false if there is none.
func (c *cursor) load(ctx context.Context) (found bool, err error) {
	e, err := c.bucket.Get(ctx, c.key)
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.revision = e.Revision
	if json.Unmarshal(e.Value, &c.value) != nil {
		return false, nil // as if there were none
	}
	return true, nil
}

// save writes the cursor. An error that wraps [kv.ErrConflict] says that another bridge has
// written it.
func (c *cursor) save(ctx context.Context) error {
	data, err := json.Marshal(c.value)
	if err != nil { // a text
		panic("webhook: " + err.Error())
	}
	revision, err := c.bucket.Update(ctx, c.key, data, c.revision)
	if errors.Is(err, kv.ErrConflict) {
		// The answer to an own write may have been lost.
		e, failed := c.bucket.Get(ctx, c.key)
		if failed != nil || string(e.Value) != string(data) {
			return err
		}
		revision, err = e.Revision, nil
	}
	if err == nil {
		c.revision = revision
	}
	return err
}
