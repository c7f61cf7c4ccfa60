package settings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/subjects"
)

// writeAttempts is how often a change on a condition is tried that others come before.
const writeAttempts = 5

var errNotRead = errors.New("the settings in the bridges' shared store were not read yet")

// get reads the document of a cluster from the store. It is nil if there never was one. One
// that cannot be read has a revision, and bad says why.
func (d *Desk) get(ctx context.Context, ref subjects.ClusterRef) (doc *stored, f *answer.Failure, bad error) {
	e, err := d.cfg.Bucket.Get(ctx, keyOf(ref))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, unavailable(err), nil
	}
	doc, bad = read(e)
	return doc, nil, bad
}

// change writes a document, unless the cluster has the same settings already: then it is
// the one that it has. created says that the cluster had none.
func (d *Desk) change(ctx context.Context, ref subjects.ClusterRef, next document, on endpoint.Condition) (doc *stored, created bool, f *answer.Failure) {
	for range writeAttempts {
		was, f, bad := d.get(ctx, ref)
		if f != nil {
			return nil, false, f.With("; nothing was changed")
		}
		there := was != nil && (bad != nil || !was.Deleted)
		switch {
		case on.Absent && there:
			return nil, false, answer.Failf(answer.PreconditionFailed, "the cluster has settings; nothing was changed")
		case on.Exists && !there, on.Version != "" && was.revision != on.Version:
			return nil, false, answer.Failf(answer.PreconditionFailed, "the settings have changed since the revision that If-Match gives, or there are none; nothing was changed")
		case next.Deleted && !there:
			return nil, false, notSet(ref)
		case there && bad == nil && !next.Deleted && same(&was.Settings, &next.Settings):
			return was, false, nil
		}
		doc, err := d.write(ctx, was, ref, next, on)
		switch {
		case err == nil:
			d.take(doc, true, time.Now().Add(urgency))
			d.tellChange(doc)
			return doc, !there, nil
		case !errors.Is(err, kv.ErrConflict):
			return nil, false, unavailable(err)
		}
	}
	return nil, false, answer.Failf(answer.WriteConflict, "other callers change the settings at the same time; nothing was changed")
}

// write writes a document: over what there was, or over anything if there is no condition.
func (d *Desk) write(ctx context.Context, was *stored, ref subjects.ClusterRef, next document, on endpoint.Condition) (*stored, error) {
	value, err := json.Marshal(next)
	if err != nil {
		return nil, fmt.Errorf("nothing was changed: encode settings: %w", err)
	}
	var seq uint64
	if on == (endpoint.Condition{}) && !next.Deleted {
		seq, err = d.cfg.Bucket.Put(ctx, keyOf(ref), value)
	} else {
		if was != nil {
			seq = was.seq
		}
		seq, err = d.cfg.Bucket.Update(ctx, keyOf(ref), value, seq)
	}
	if err != nil {
		return nil, err
	}
	return read(kv.Entry{Key: keyOf(ref), Value: value, Revision: seq})
}

// same reports whether two settings, which were checked, set the same.
func same(a, b *api.AgentSettings) bool {
	if a.LogLevel != nil && b.LogLevel != nil && !sameEnd(a.LogLevel.Until, b.LogLevel.Until) {
		return false
	}
	return reflect.DeepEqual(withoutEnd(a), withoutEnd(b))
}

func sameEnd(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}

// withoutEnd is s without the end of its log level: the same time can be written in many
// zones.
func withoutEnd(s *api.AgentSettings) api.AgentSettings {
	c := *s
	if c.LogLevel != nil {
		c.LogLevel = &api.AgentLogLevel{Level: c.LogLevel.Level}
	}
	return c
}

// unavailable explains an error of the store.
func unavailable(err error) *answer.Failure {
	if errors.Is(err, kv.ErrFull) {
		return answer.Failf(answer.StoreFull, "%w", err)
	}
	return answer.Failf(answer.StoreUnavailable, "%w", err)
}

func notSet(ref subjects.ClusterRef) *answer.Failure {
	return answer.Failf(answer.SettingsNotSet, "the platform has set nothing for the agents of cluster %q", ref)
}
