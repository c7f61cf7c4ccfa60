package natslink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestNamesAreChecked(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b, _, _ := start(t, srv.ClientURL(), echo)
	for _, name := range []string{"", "*", ">", "_", "a.b", "Prod", "-x", "x y", strings.Repeat("x", 64)} {
		if _, err := b.Open(t.Context(), name, "a1", []byte("x"), true); !errors.Is(err, subjects.ErrName) {
			t.Errorf("Open of cluster %q: %v", name, err)
		}
		if _, err := b.Open(t.Context(), "prod", name, []byte("x"), true); !errors.Is(err, subjects.ErrName) {
			t.Errorf("Open of instance %q: %v", name, err)
		}
		if err := b.Query(name); !errors.Is(err, subjects.ErrName) {
			t.Errorf("Query of %q: %v", name, err)
		}
	}
	if n := b.Streams(); n != 0 {
		t.Errorf("%d streams open", n)
	}
}

// TestDroppedMessagesAreMended: without a lane, nats.go drops messages beyond the pending
// limits of a subscription, and does not say which.
func TestDroppedMessagesAreMended(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	body := make([]byte, 4<<20)
	r := rand.New(rand.NewPCG(4, 4))
	for i := range body {
		body[i] = byte(r.Uint32())
	}
	startAgent(t, srv.ClientURL(), func(s *stream.Stream) {
		if _, err := s.Next(); err == nil {
			_ = s.WriteFinal(body)
		}
	})
	b, err := NewBridge(connect(t, options(srv.ClientURL())), BridgeConfig{ID: "b1"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, s := range b.subs {
		if err := s.SetPendingLimits(4, 128<<10); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := b.Open(ctx, "prod", "a1", []byte("x"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := sha256.New()
	if n, err := s.WriteTo(h); err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	if want := sha256.Sum256(body); !bytes.Equal(h.Sum(nil), want[:]) {
		t.Error("bytes differ")
	}
	dropped := 0
	for _, s := range b.subs {
		n, _ := s.Dropped()
		dropped += n
	}
	t.Logf("%d messages dropped, %d gaps", dropped, b.Stats().Gaps)
}

// TestWatchNeedsNoEvents: a status event that nats.go has dropped must not
// leave the engine believing that the link is down, or up.
func TestWatchNeedsNoEvents(t *testing.T) {
	srv := startServer(t, 0)
	port, _ := strconv.Atoi(strings.TrimPrefix(srv.Addr().String(), "127.0.0.1:"))
	b, a, _ := start(t, srv.ClientURL(), echo)
	for _, w := range []*connWatch{b.watch, a.watch} {
		w.nc.RemoveStatusListener(w.ch) // no event comes any more
	}
	stopServer(srv)
	srv = startServer(t, port)
	defer stopServer(srv)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := post(ctx, b, "after the restart"); err != nil {
		t.Error(err)
	}
}

// TestAgentClose: requests that run when an agent stops end with a typed cause,
// answers that were given stay, and later requests find no instance.
func TestAgentClose(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	answered := make(chan struct{})
	b, a, seen := start(t, srv.ClientURL(), func(s *stream.Stream) {
		first, _ := s.Next()
		if string(first) == "unary" {
			_ = s.WriteFinal([]byte("whole answer"))
			close(answered)
			return
		}
		<-s.Context().Done()
	})
	watch, err := b.Open(t.Context(), "prod", "a1", []byte("watch"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	unary, err := b.Open(t.Context(), "prod", "a1", []byte("unary"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer unary.Close()
	<-answered
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(unary); string(got) != "whole answer" || err != nil {
		t.Errorf("unary: %q, %v", got, err)
	}
	if _, err := watch.Next(); subjects.CodeOf(err) != subjects.CodeShutdown {
		t.Errorf("watch: %v", err)
	}
	seen.wait(t, func(p subjects.Presence) bool { return p.State == subjects.PresenceBye })
	late, err := b.Open(t.Context(), "prod", "a1", []byte("late"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if _, err := late.Next(); !subjects.CodeOf(err).NotExecuted() {
		t.Errorf("late: %v", err)
	}
}

// TestCloseTwice and at once, on a connection that is down.
func TestCloseTwice(t *testing.T) {
	srv := startServer(t, 0)
	b, a, _ := start(t, srv.ClientURL(), echo)
	stopServer(srv)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = a.Close(), b.Close()
		_, _ = a.Close(), b.Close()
	}()
	select {
	case <-done:
	case <-time.After(15 * time.Second):
		t.Fatal("Close hangs without a connection")
	}
}

func TestCancelStorm(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b, a, _ := start(t, srv.ClientURL(), func(s *stream.Stream) { <-s.Context().Done() })
	subs := srv.NumSubscriptions()
	const n = 1000
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, n)
	for range n {
		s, err := b.Open(ctx, "prod", "a1", []byte("watch"), true)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer s.Close()
			_, err := s.Next()
			ended <- err
		}()
	}
	eventually.True(t, "all watches run", func() bool { return a.Streams() == n })
	start := time.Now()
	cancel()
	for range n {
		if err := <-ended; subjects.CodeOf(err) != subjects.CodeCanceled {
			t.Fatalf("watch ended with %v", err)
		}
	}
	eventually.True(t, "no watch runs", func() bool { return a.Streams() == 0 && b.Streams() == 0 })
	t.Logf("%d watches cancelled in %v", n, time.Since(start))
	if now := srv.NumSubscriptions(); now != subs {
		t.Errorf("%d subscriptions, %d before", now, subs)
	}
}

// TestForgottenAddresses: the tables that lead from subjects to peers shrink
// with the engine's.
func TestForgottenAddresses(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b, a, _ := start(t, srv.ClientURL(), echo)
	if err := post(t.Context(), b, "x"); err != nil {
		t.Fatal(err)
	}
	b.forget(subjects.Down("prod", "a1", "b1"))
	a.forget(subjects.Up("b1", "prod", "a1"))
	for k := range b.from.all() {
		t.Errorf("bridge remembers %v", k)
	}
	for k := range a.from.all() {
		t.Errorf("agent remembers %v", k)
	}
	if to := b.to.get("prod", "a1"); to != "" {
		t.Errorf("bridge remembers the address %s", to)
	}
	if err := post(t.Context(), b, "x"); err != nil {
		t.Error(err)
	}
}

// TestUnknownSenders: an agent chooses its instance names, and must not fill
// the bridge's memory with them (row N2 of PROTOCOL.md).
func TestUnknownSenders(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b, _, _ := start(t, srv.ClientURL(), echo)
	nc := dial(t, srv.ClientURL())
	for _, instance := range []string{"a7", "a8", "Not.A.Label", "_"} {
		if err := nc.Publish(subjects.Up("b1", "prod", instance), subjects.AppendReset(nil, 7, subjects.CodeCanceled, "")); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := post(t.Context(), b, "x"); err != nil { // comes after them
		t.Error(err)
	}
	for k := range b.from.all() {
		if k != subjects.Up("b1", "prod", "a1") {
			t.Errorf("the bridge remembers %v", k)
		}
	}
	if b.ep.Peer(subjects.Down("prod", "a7", "b1")) != nil {
		t.Error("the bridge knows an instance that it opened nothing to")
	}
}

// TestOnlyNATSSaysNoResponders: rows N3 of PROTOCOL.md, for a stream of which
// nothing was heard yet.
func TestOnlyNATSSaysNoResponders(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	hold := make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	defer release() // the agent waits for its handlers
	b, _, _ := start(t, srv.ClientURL(), func(s *stream.Stream) {
		<-hold
		echo(s)
	})
	s, err := b.Open(t.Context(), "prod", "a1", []byte("x"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	nc := dial(t, srv.ClientURL())
	for _, m := range []*nats.Msg{
		{},
		{Data: []byte("x"), Header: nats.Header{"Status": {"503"}}},
		{Header: nats.Header{"Status": {"404"}}},
	} {
		m.Subject = subjects.NoResponders("b1", "prod", "a1", s.ID())
		if err := nc.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	release()
	if got, err := io.ReadAll(s); string(got) != "x" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
