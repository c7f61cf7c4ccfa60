package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tunnel/socket"
)

const (
	// patience is how long a client may take for a page. It is longer than a network fault
	// that TCP gets over.
	patience = time.Minute
	// minReturn and maxReturn are when clients come back after a stream has ended: each at
	// a time of its own.
	minReturn = 500 * time.Millisecond
	maxReturn = 5 * time.Second
)

// errSlow is wrapped where a client does not read.
var errSlow = errors.New("the client has taken no events")

// writer writes server-sent events. Its methods are for one goroutine.
type writer struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	rec      *answer.Record
	patience time.Duration
	buffer   bytes.Buffer

	mu  sync.Mutex // guards the deadline of writes, and cut
	cut bool
}

// open begins the response, and sends its head.
func open(w http.ResponseWriter, r *http.Request, rec *answer.Record, wait time.Duration) *writer {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	rec.Status = http.StatusOK
	w.WriteHeader(http.StatusOK)
	if wait == 0 {
		wait = patience
	}
	return &writer{w: w, control: http.NewResponseController(w), rec: rec, patience: wait}
}

// cutAfter gives the client a moment for what is being written and the end of the stream,
// once one of the contexts has ended. stop must be called.
func (o *writer) cutAfter(all ...context.Context) (stop func()) {
	var stops []func() bool
	var running sync.WaitGroup
	for _, ctx := range all {
		running.Add(1)
		stops = append(stops, context.AfterFunc(ctx, func() {
			defer running.Done()
			o.mu.Lock()
			defer o.mu.Unlock()
			o.cut = true
			_ = o.control.SetWriteDeadline(time.Now().Add(socket.Linger))
		}))
	}
	return func() {
		for _, stop := range stops {
			if stop() {
				running.Done()
			}
		}
		running.Wait() // the response must not be used after its handler
	}
}

// start says when to come back after the stream has ended, and sends the head.
func (o *writer) start() error {
	o.retry()
	return o.flush()
}

// retry writes a time of the client's own at which to come back.
func (o *writer) retry() {
	d := minReturn + rand.N(maxReturn-minReturn)
	fmt.Fprintf(&o.buffer, "retry: %d\n\n", d.Milliseconds())
}

// event writes an event. id and name are one line; id may be "". v must be of a type that
// can be encoded.
func (o *writer) event(id, name string, v any) {
	if id != "" {
		fmt.Fprintf(&o.buffer, "id: %s\n", id)
	}
	data, err := json.Marshal(v) // one line
	if err != nil {              // only our own types come here
		panic("bridge: encode an event: " + err.Error())
	}
	fmt.Fprintf(&o.buffer, "event: %s\ndata: %s\n\n", name, data)
}

// beat writes a comment, and the position at which the client is by now: a browser keeps
// the id of what has no data too.
func (o *writer) beat(at string) error {
	fmt.Fprintf(&o.buffer, ": heart-beat\nid: %s\n\n", at)
	return o.flush()
}

// last writes the end of the stream, instead of what was not sent yet.
func (o *writer) last(at string, v any) error {
	o.buffer.Reset()
	o.retry()
	o.event(at, "end", v)
	err := o.flush()
	if err == nil { // the connection may serve another request
		_ = o.control.SetWriteDeadline(time.Time{})
	}
	return err
}

// flush sends what was written.
func (o *writer) flush() error {
	if o.buffer.Len() == 0 {
		return nil
	}
	o.mu.Lock()
	if !o.cut {
		_ = o.control.SetWriteDeadline(time.Now().Add(o.patience))
	}
	o.mu.Unlock()
	begin := time.Now()
	n, err := o.w.Write(o.buffer.Bytes())
	o.rec.Sent += int64(n)
	o.buffer.Reset()
	if err == nil {
		err = o.control.Flush()
	}
	if err != nil && time.Since(begin) >= o.patience {
		return fmt.Errorf("%w for %v: %w", errSlow, o.patience, err)
	}
	if err != nil {
		return fmt.Errorf("write to the client: %w", err)
	}
	o.rec.LastSent = time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.cut { // HTTP/2 resets a stream at its deadline, also one that has nothing to send
		_ = o.control.SetWriteDeadline(time.Time{})
	}
	return nil
}
