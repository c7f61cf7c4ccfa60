package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
)

// durable runs the log of a bridge in the store of brokers.
func durable(t *testing.T, b *storetest.Brokers) *events.Durable {
	t.Helper()
	return durableAt(t, b, b.URLs())
}

// durableAt is durable of a bridge that connects to URLs.
func durableAt(t *testing.T, b *storetest.Brokers, urls []string) *events.Durable {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, urls...), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	d := events.NewDurable(s, log)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		s.Close()
	})
	return d
}

// TestEventStreamGoesOnAtAnotherBridge: a client whose bridge stops, while the only broker
// is restarted, goes on at the next bridge by the last id: it gets each event once.
func TestEventStreamGoesOnAtAnotherBridge(t *testing.T) {
	b := storetest.Start(t, 1)
	const rounds, each = 4, 50
	noted := 0
	var last string
	writer := durable(t, b)
	seen := map[string]bool{}
	for round := range rounds {
		log := durable(t, b)
		r := newRig(t, rigOptions{config: func(c *Config) { c.Events = log }})
		r.eventually("the log to be readable", func() bool { _, err := log.End(t.Context()); return err == nil })
		s := r.stream(t, r.h2, r.token, "?after=oldest&type=cluster.*", last)
		var writing sync.WaitGroup
		writing.Go(func() {
			for range each {
				e := api.Event{Type: api.EventClusterConnected, Tenant: "acme", Cluster: "prod", Detail: fmt.Sprint(noted)}
				if err := writer.Append(context.Background(), e, ""); err != nil {
					t.Error(err)
				}
				noted++
			}
		})
		if round == 1 {
			b.Kill(0)
			b.Run(0)
		}
		// The bridge stops in the midst of what happens: the client has read some of it.
		for range each / 2 {
			take(t, s, seen)
		}
		drain(t, r)
		for {
			e, err := s.next()
			if err != nil || e.name == "end" {
				break
			}
			if e.data != "" {
				once(t, seen, e)
			}
		}
		last = s.id
		writing.Wait()
	}
	log := durable(t, b)
	r := newRig(t, rigOptions{config: func(c *Config) { c.Events = log }})
	r.eventually("the log to be readable", func() bool { _, err := log.End(t.Context()); return err == nil })
	s := r.stream(t, r.h1, r.token, "?type=cluster.*", last)
	for len(seen) < rounds*each {
		take(t, s, seen)
	}
}

// take reads the next event.
func take(t *testing.T, s *eventStream, seen map[string]bool) {
	t.Helper()
	for {
		e, err := s.next()
		if err != nil {
			t.Fatal(err)
		}
		if e.data != "" {
			once(t, seen, e)
			return
		}
	}
}

// once notes an event that must not have come before.
func once(t *testing.T, seen map[string]bool, e sse) {
	t.Helper()
	if e.name != string(api.EventClusterConnected) || seen[e.data] {
		t.Fatalf("%+v: came before, or is none", e)
	}
	seen[e.data] = true
}

// drain stops a bridge.
func drain(t *testing.T, r *rig) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := r.server.Drain(ctx); err != nil {
		t.Error(err)
	}
}
