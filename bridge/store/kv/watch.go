package kv

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/store"
)

const (
	// pollInterval is how often a watch reads what is new where it heard nothing, or
	// where the store does not work.
	pollInterval = 2 * time.Second
	// hintInterval is the pause before it reads after it heard a write: until then its
	// leader has taken it, as a rule. Each further pause is twice as long.
	hintInterval = 5 * time.Millisecond
	// hintedReads is how often it reads in a row for a write that it heard and does not
	// find: one that is replicated slowly, or was refused.
	hintedReads = 6
)

// Watcher is told what a watch finds, by one goroutine. Its functions are needed, and must
// not block.
type Watcher struct {
	// Put gets a value: each that there is, and then each that is new. It may get one
	// twice, and of one key never an older one after a newer one.
	Put func(Entry)
	// Reset says that the bucket is another one, and that its values follow.
	Reset func()
	// Known says how a read went: nil says that all is known that the store had when it
	// began, an error why it may not be.
	Known func(error)
}

// Watch tells w of the values whose keys begin with prefix, which is "" or ends with a
// dot, until ctx ends. It goes on through everything that ends within a time, such as a
// lost connection. The error is that of a prefix, or that there is no subscription.
func (b *Bucket) Watch(ctx context.Context, prefix string, w Watcher) error {
	if err := checkPrefix(prefix); err != nil {
		return err
	}
	t := &tail{bucket: b, filter: b.prefix + prefix + ">", watcher: w}
	heard := make(chan struct{}, 1)
	stop, err := b.store.Hint(t.filter, func() {
		select {
		case heard <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return err
	}
	defer stop()
	t.run(ctx, heard)
	return nil
}

// Hint calls f when somebody writes a key, before it is known whether the bucket takes
// it, until stop is called. f must not block.
func (b *Bucket) Hint(key string, f func()) (stop func(), err error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	return b.store.Hint(b.prefix+key, f)
}

// tail is where a watch is.
type tail struct {
	bucket  *Bucket
	filter  string
	watcher Watcher
	created time.Time // of the stream; zero: nothing was read yet
	last    uint64    // the sequence up to which it was read
	looked  time.Time // when the stream was looked at last
}

func (t *tail) run(ctx context.Context, heard <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	reads, pause := 0, pollInterval
	for {
		select {
		case <-ctx.Done():
			return
		case <-heard:
			if reads != hintedReads { // else it is read in a moment anyway
				reads, pause = hintedReads, hintInterval
				timer.Reset(pause)
			}
			continue
		case <-timer.C:
		}
		done := t.bucket.store.Observe(store.ReadValue)
		found, err := t.read(ctx)
		done(err)
		if ctx.Err() != nil {
			return
		}
		t.watcher.Known(err)
		if reads--; reads > 0 && !found {
			pause *= 2
		} else {
			reads, pause = 0, pollInterval
		}
		timer.Reset(pause)
	}
}

// read tells the watcher of everything that is new.
func (t *tail) read(ctx context.Context) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, ListTimeout)
	defer cancel()
	if t.created.IsZero() || time.Since(t.looked) > checkInterval {
		if found, err = t.look(ctx); err != nil {
			return found, err
		}
	}
	for {
		more, err := t.next(ctx)
		if err != nil || !more {
			return found, err
		}
		found = true
	}
}

// look reads all values if the stream is not the one that was read so far.
func (t *tail) look(ctx context.Context) (found bool, err error) {
	info, err := t.bucket.info(ctx)
	if err != nil {
		return false, err
	}
	t.looked = time.Now()
	if info.Created.Equal(t.created) && info.State.LastSeq >= t.last {
		return false, nil
	}
	entries, info, err := t.bucket.list(ctx, t.filter)
	if err != nil {
		return false, err
	}
	if !t.created.IsZero() {
		t.watcher.Reset()
	}
	for _, e := range entries {
		t.watcher.Put(e)
	}
	t.created, t.last = info.Created, info.State.LastSeq
	return len(entries) > 0, nil
}

// next reads one value that is new.
func (t *tail) next(ctx context.Context) (more bool, err error) {
	st, err := t.bucket.open(ctx)
	if err != nil {
		return false, err
	}
	asking, release := t.bucket.store.Asking(ctx, t.bucket.ask("MSG.GET"))
	defer release()
	m, err := st.GetMsg(asking, t.last+1, jetstream.WithGetMsgSubject(t.filter))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return false, nil
	case err != nil:
		t.looked = time.Time{}
		return false, t.bucket.failed(asking, strings.TrimPrefix(t.filter, t.bucket.prefix), err)
	}
	t.last = m.Sequence
	t.watcher.Put(t.bucket.entry(m))
	return true, nil
}
