package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/natsrun"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a server with JetStream, which can be stopped and started again.
func start(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	s := natsrun.Start(t, &server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	t.Cleanup(func() { natsrun.Stop(s) })
	return s
}

// createStream makes the stream that takes the subject.
func createStream(t *testing.T, s *server.Server) {
	t.Helper()
	withStream(t, s, func(ctx context.Context, js jetstream.JetStream) error {
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "AUDIT", Subjects: []string{defaultSubject}})
		return err
	})
}

func withStream(t *testing.T, s *server.Server, do func(context.Context, jetstream.JetStream) error) {
	t.Helper()
	conn, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err == nil {
		err = do(t.Context(), js)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// stored is what the stream has: the events and their number.
func stored(t *testing.T, s *server.Server) (all []string, n uint64) {
	t.Helper()
	withStream(t, s, func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, "AUDIT")
		if err != nil {
			return err
		}
		n = stream.CachedInfo().State.Msgs
		for i := range min(n, 5) {
			m, err := stream.GetMsg(ctx, i+1)
			if err != nil {
				return err
			}
			if m.Header.Get("Content-Type") != "application/cloudevents+json" {
				t.Errorf("header %v", m.Header)
			}
			all = append(all, string(m.Data))
		}
		return nil
	})
	return all, n
}

func openSink(t *testing.T, url string) *Sink {
	t.Helper()
	s, err := Open(Config{Servers: []string{url}}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func event(i int) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"%d/ResponseComplete","data":{}}`, i) + "\n"
}

// What a write has acknowledged is in the stream, once, and survives a restart of the
// server.
func TestEventsReachTheStream(t *testing.T) {
	dir := t.TempDir()
	port := freeport.For(t)
	server := start(t, dir, port)
	s := openSink(t, server.ClientURL())
	if err := s.Write([]byte(event(0)), true); !errors.Is(err, jetstream.ErrNoStreamResponse) {
		t.Errorf("without a stream: %v", err)
	}
	createStream(t, server)
	var lines strings.Builder
	for i := 1; i <= 3000; i++ {
		lines.WriteString(event(i))
	}
	for range 2 { // the second is the same events
		if err := s.Write([]byte(lines.String()), true); err != nil {
			t.Fatal(err)
		}
	}
	all, n := stored(t, server)
	if n != 3000 || all[0]+"\n" != event(1) || all[4]+"\n" != event(5) {
		t.Errorf("the stream has %d events, beginning with %q", n, all)
	}
	natsrun.Stop(server)
	written := make(chan error, 1)
	go func() { written <- s.Write([]byte(event(3001)+lines.String()+event(3002)), true) }() // waits for the server
	server = start(t, dir, port)
	if err := <-written; err != nil {
		t.Errorf("while the server was restarted: %v", err)
	}
	if _, n := stored(t, server); n != 3002 {
		t.Errorf("the stream has %d events", n)
	}
}

// A server that has been away for long fails writes at once.
func TestServerIsAway(t *testing.T) {
	s := openSink(t, "nats://127.0.0.1:1")
	s.lost.Store(time.Now().Add(-writeTimeout - time.Second).UnixNano())
	if err := s.Write([]byte(event(0)), true); !errors.Is(err, errDisconnected) {
		t.Errorf("got %v", err)
	}
}

func TestConfig(t *testing.T) {
	for text, want := range map[string]string{
		"servers: [tls://a:4222]\nsubject: audit.fairlead": "",
		"{}":                                      "line 1: servers: none given",
		"servers: [nats://a:4222]":                "line 1: servers[0]: nats:// is only allowed on loopback",
		"servers: [tls://u:p@a:4222]":             "line 1: servers[0]: the URL has a user",
		"servers: [tls://a:4222]\nsubject: a.>":   `line 2: subject: "a.>" is not a subject such as fairlead.audit`,
		"servers: [tls://a:4222]\nsubject: $JS.x": `line 2: subject: "$JS.x" is not a subject such as fairlead.audit`,
		"servers: [tls://a:4222]\nstream: x":      `line 2: unknown key "stream"`,
	} {
		err := strictyaml.Unmarshal([]byte(text), &Config{})
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Open(Config{Servers: []string{"tls://a:4222"}, Credentials: "/absent"}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("opened without its credentials")
	}
}
