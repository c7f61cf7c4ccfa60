package kv

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/store"
)

// ListTimeout bounds a list. 10,000 values take less than a second of a broker that has time.
const ListTimeout = 30 * time.Second

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
	r, err := b.newReader()
	if err != nil {
		return nil, nil, err
	}
	defer r.close()
	info, err := b.info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, nil, err
	}
	entries, err := r.read(ctx, slices.Collect(maps.Keys(info.State.Subjects)))
	if err != nil {
		return nil, nil, err
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
