package kv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/store"
)

const (
	// ListTimeout bounds a list. 10,000 values take a second or two.
	ListTimeout = 30 * time.Second
	// listReaders is how many values are asked for at a time: enough to make up for the
	// time that an answer takes, and few among the requests that brokers queue.
	listReaders = 32
)

// List returns the values whose keys begin with prefix, which is "" or ends with a dot,
// in no order. Each is as it was at some time during the call.
func (b *Bucket) List(ctx context.Context, prefix string) ([]Entry, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	done := b.store.Observe(store.ReadValue)
	ctx, cancel := context.WithTimeout(ctx, ListTimeout)
	defer cancel()
	entries, _, err := b.list(ctx, b.prefix+prefix+">")
	done(err)
	return entries, err
}

// list returns the values of a filter, and the stream as it was before they were read.
func (b *Bucket) list(ctx context.Context, filter string) ([]Entry, *jetstream.StreamInfo, error) {
	info, err := b.info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, nil, err
	}
	var (
		mu      sync.Mutex
		readers sync.WaitGroup
		entries = make([]Entry, 0, len(info.State.Subjects))
		keys    = make(chan string)
	)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for range min(listReaders, len(info.State.Subjects)) {
		readers.Go(func() {
			for key := range keys {
				e, err := b.get(ctx, key)
				switch {
				case errors.Is(err, ErrNotFound): // its age has ended meanwhile
				case err != nil:
					cancel(err)
				default:
					mu.Lock()
					entries = append(entries, e)
					mu.Unlock()
				}
			}
		})
	}
	for subject := range info.State.Subjects {
		if ctx.Err() != nil {
			break
		}
		keys <- strings.TrimPrefix(subject, b.prefix)
	}
	close(keys)
	readers.Wait()
	if ctx.Err() != nil {
		return nil, nil, b.store.Explain(context.Cause(ctx))
	}
	return entries, info, nil
}

// info looks at the stream.
func (b *Bucket) info(ctx context.Context, options ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	st, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	asking, release := b.store.Asking(ctx, b.ask("INFO"))
	defer release()
	info, err := st.Info(asking, options...)
	if err != nil {
		return nil, b.failed(asking, "stream "+b.config.Name, err)
	}
	return info, nil
}

func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	parts, ok := strings.CutSuffix(prefix, ".")
	if !ok {
		return fmt.Errorf("%w: prefix %q does not end with a dot", ErrKey, prefix)
	}
	return checkKey(parts)
}
