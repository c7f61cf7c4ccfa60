package natslink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestExchangeAndPresence(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b, a, seen := start(t, srv.ClientURL(), echo)
	body := make([]byte, 20<<20)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range body {
		body[i] = byte(r.Uint32())
	}
	s, err := b.Open(t.Context(), "prod", "a1", body[:100], false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	go func() { _ = s.WriteFinal(body[100:]) }()
	h := sha256.New()
	if n, err := s.WriteTo(h); err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	if want := sha256.Sum256(body); !bytes.Equal(h.Sum(nil), want[:]) {
		t.Error("bytes differ")
	}
	if err := b.Query("prod"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := a.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	seen.wait(t, func(p subjects.Presence) bool { return p.State == subjects.PresenceDraining })
	if s, err = b.Open(t.Context(), "prod", "a1", []byte("x"), true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); subjects.CodeOf(err) != subjects.CodeDraining {
		t.Errorf("a draining agent answered %v", err)
	}
	_ = a.Close()
	seen.wait(t, func(p subjects.Presence) bool { return p.State == subjects.PresenceBye })
}

func TestNobodyListens(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b, _, _ := start(t, srv.ClientURL(), echo)
	begin := time.Now()
	s, err := b.Open(t.Context(), "prod", "a2", []byte("x"), true)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Next()
	if subjects.CodeOf(err) != subjects.CodeNoInstance {
		t.Fatalf("got %v, want no-instance", err)
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("known after %v", d)
	}
}

// TestForgedNoResponders: a message that an agent can publish must not be taken for
// NATS's own answer.
func TestForgedNoResponders(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b, _, _ := start(t, srv.ClientURL(), echo)
	s, err := b.Open(t.Context(), "prod", "a1", []byte("x"), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	nc := dial(t, srv.ClientURL())
	if err := nc.Publish(subjects.NoResponders("b1", "prod", "a1", s.ID()), []byte("503")); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Next(); err != nil || string(c) != "y" {
		t.Errorf("got %q, %v", c, err)
	}
	s.Close()
}
