package kv

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/test/harness/natsrun"
)

// reading of n subjects, whose stream is answer.
func readingOf(t *testing.T, n int, answer func(asked int, m *nats.Msg, subject string)) *reading {
	t.Helper()
	b := &Bucket{config: jetstream.StreamConfig{Name: "OF-TEST"}, prefix: "v."}
	s := natsrun.Start(t, &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	t.Cleanup(func() { natsrun.Stop(s) })
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	asked := 0
	sub, err := nc.Subscribe(b.ask("MSG.GET"), func(m *nats.Msg) {
		var q struct {
			Last string `json:"last_by_subj"`
		}
		if err := json.Unmarshal(m.Data, &q); err != nil {
			t.Error(err)
		}
		answer(asked, m, q.Last)
		asked++
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	r := &reading{reader: &reader{bucket: b, nc: nc, inbox: nc.NewInbox() + ".", answers: make(chan *nats.Msg, 2*readAhead), again: 100 * time.Millisecond, silence: store.Timeout}, missing: map[int]bool{}}
	if r.sub, err = nc.ChanSubscribe(r.inbox+"*", r.answers); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	for i := range n {
		r.subjects = append(r.subjects, fmt.Sprint("v.", i))
	}
	return r
}

func value(subject string) []byte {
	return fmt.Appendf(nil, `{"message":{"subject":%q,"seq":7,"data":"eA==","time":"2026-11-29T12:00:00Z"}}`, subject)
}

// TestReadAgain: answers that are lost are asked for again, those that come twice count
// once, and no more than [readAhead] are waited for at any time.
func TestReadAgain(t *testing.T) {
	const n = 3 * readAhead
	var waiting, most atomic.Int64
	r := readingOf(t, n, func(asked int, m *nats.Msg, subject string) {
		if asked < n {
			most.Store(max(most.Load(), waiting.Add(1)))
		}
		if asked%100 == 0 {
			return // lost
		}
		waiting.Add(-1)
		_ = m.Respond(value(subject))
		if asked%7 == 0 {
			_ = m.Respond(value(subject))
		}
	})
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range r.entries {
		if seen[e.Key] || string(e.Value) != "x" || e.Revision != 7 {
			t.Errorf("%+v", e)
		}
		seen[e.Key] = true
	}
	if len(seen) != n || most.Load() > readAhead {
		t.Errorf("%d values of %d, at most %d are waited for", len(seen), n, most.Load())
	}
}

// TestReadEnds: an answer that is not the value asked for ends a read, and so does a leader
// that says nothing.
func TestReadEnds(t *testing.T) {
	for name, answer := range map[string]string{
		"of another":   string(value("v.other")),
		"none":         `{}`,
		"no JSON":      `{`,
		"an error":     `{"error":{"code":503,"err_code":10008,"description":"no leader"}}`,
		"nobody there": "",
	} {
		r := readingOf(t, 2, func(_ int, m *nats.Msg, _ string) { _ = m.Respond([]byte(answer)) })
		if err := r.run(t.Context()); err == nil {
			t.Errorf("%s: no error, %+v", name, r.entries)
		}
	}
	r := readingOf(t, 2, func(int, *nats.Msg, string) {})
	r.silence = time.Second
	if err := r.run(t.Context()); err == nil {
		t.Error("nobody answers: no error")
	}
	r = readingOf(t, 2, func(_ int, m *nats.Msg, _ string) {
		_ = m.Respond([]byte(`{"error":{"code":404,"err_code":10037,"description":"no message found"}}`))
	})
	if err := r.run(t.Context()); err != nil || len(r.entries) > 0 {
		t.Errorf("values that are gone: %v, %+v", err, r.entries)
	}
}
