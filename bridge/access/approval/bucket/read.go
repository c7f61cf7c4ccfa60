package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/store"
)

// run reads the stream until the bucket is closed.
func (b *Bucket) run() {
	defer close(b.ended)
	t := time.NewTimer(0)
	defer t.Stop()
	hinted, pause := 0, pollInterval
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-b.hint:
			if hinted != hintedPolls { // else it is read in a moment anyway
				hinted, pause = hintedPolls, hintInterval
				t.Reset(pause)
			}
			continue
		case <-t.C:
		}
		b.settle(b.catchUp(b.ctx, false))
		if hinted--; hinted > 0 {
			pause *= 2
		} else {
			pause = pollInterval
		}
		t.Reset(pause)
	}
}

// settle takes over how reading went, and tells the learner if that changes what holds.
func (b *Bucket) settle(err error) {
	b.mu.Lock()
	if err == nil {
		b.read, b.failed = time.Now(), nil
	} else {
		b.failed = err
	}
	b.mu.Unlock()
	b.tell()
}

// tell tells the learner if it has changed whether what was read counts.
func (b *Bucket) tell() {
	b.telling.Lock()
	defer b.telling.Unlock()
	b.mu.Lock()
	err := b.err()
	doubt := err != nil
	changed := doubt != b.doubt
	first := b.doubt && !doubt
	b.doubt = doubt
	b.mu.Unlock()
	if !changed || b.ctx.Err() != nil {
		return
	}
	if first {
		b.log.Info("approvals are known")
	} else {
		b.log.Error("approvals cannot be confirmed: none counts until they can", "error", err)
	}
	b.learner.Recheck()
}

// lost is the error of what was done while connected lasts: that the connection was lost,
// if that has ended it.
func lost(connected context.Context, err error) error {
	if why := context.Cause(connected); errors.Is(err, context.Canceled) && errors.Is(why, store.ErrUnavailable) {
		return why
	}
	return err
}

// catchUp reads what is new. look makes it look at the stream itself too. It ends when the
// connection is lost.
func (b *Bucket) catchUp(ctx context.Context, look bool) error {
	done := b.store.Observe(store.ReadApprovals)
	err := b.readAll(ctx, look)
	done(err)
	return err
}

func (b *Bucket) readAll(ctx context.Context, look bool) error {
	b.reading.Lock()
	defer b.reading.Unlock()
	connected, release := b.store.Connected(ctx)
	defer release()
	return lost(connected, b.readNew(connected, look))
}

// readNew is catchUp. The caller holds reading.
func (b *Bucket) readNew(ctx context.Context, look bool) error {
	if err := b.open(ctx, look); err != nil {
		return err
	}
	for {
		m, err := b.stream.GetMsg(ctx, b.last+1, jetstream.WithGetMsgSubject(subject("*")))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return nil
		case err != nil:
			b.checked = time.Time{}
			return b.store.Explain(err)
		}
		b.last = m.Sequence
		b.take(m)
		b.tell() // there may be so much that what was known is too old by now
	}
}

// take takes over one message. A value that is none makes its place a free one, since the
// next request that is kept there replaces it. A key that is none is left alone.
func (b *Bucket) take(m *jetstream.RawStreamMsg) {
	i, ok := index(strings.TrimPrefix(m.Subject, subject("")))
	var r approval.Request
	if !ok || json.Unmarshal(m.Data, &r) != nil || r.ID == "" {
		b.log.Warn("the bucket of approvals has a value that is none", "key", m.Subject, "revision", m.Sequence)
		if !ok {
			return
		}
		r = approval.Request{}
	}
	b.learn(i, m.Sequence, r)
}

// open finds the stream, or looks whether it is still the same one: somebody may have
// removed it, or put back an older one. The caller holds reading.
func (b *Bucket) open(ctx context.Context, look bool) error {
	if b.stream != nil && !look && time.Since(b.checked) < checkInterval {
		return b.store.Err()
	}
	st, err := b.store.Stream(ctx, store.Approvals())
	if err != nil {
		return err
	}
	info := st.CachedInfo()
	if b.stream != nil && (!info.Created.Equal(b.created) || info.State.LastSeq < b.last) {
		b.log.Error("the bucket of approvals was made again, or put back: all approvals are read again")
		b.last = 0
		b.mu.Lock()
		b.places.forget()
		b.learner.Forget()
		b.mu.Unlock()
	}
	b.stream, b.created, b.checked = st, info.Created, time.Now()
	return nil
}
