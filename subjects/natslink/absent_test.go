package natslink

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestInstanceVanishes: NATS knows at once that a killed agent's subscription is
// gone, and says so when the engine next asks. A stream that is to end when the peer
// is absent ends then; another one continues if the agent was only reconnecting.
func TestInstanceVanishes(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	way := startRelay(t, srv.Addr().String())
	var absences atomic.Int32
	b, err := NewBridge(dial(t, srv.ClientURL()), BridgeConfig{ID: "b1", OnAbsent: func(cluster, instance string) {
		if cluster != "prod" || instance != "a1" {
			t.Errorf("instance %s of %s is absent, want a1 of prod", instance, cluster)
		}
		absences.Add(1)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	release := make(chan struct{})
	a, err := NewAgent(dial(t, way.url()), AgentConfig{
		Cluster: "prod", Instance: "a1",
		Presence: func() subjects.Presence { return subjects.Presence{Reachable: true} },
		Stream: stream.Config{Handler: func(s *stream.Stream) {
			select {
			case <-release:
				_ = s.WriteFinal([]byte("done"))
			case <-s.Context().Done():
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	eventually.True(t, "the agent is subscribed", func() bool { return a.nc.Load().IsConnected() && a.nc.Load().Flush() == nil })
	open := func() *stream.Stream {
		s, err := b.Open(t.Context(), "prod", "a1", []byte("x"), true)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	post, get := open(), open()
	get.EndWhenAbsent()
	eventually.True(t, "both are executed", func() bool { return a.Streams() == 2 })
	start := time.Now()
	way.set(true)
	if _, err := get.Next(); subjects.CodeOf(err) != subjects.CodePeerLost {
		t.Errorf("get: %v, want peer-lost", err)
	}
	if took := time.Since(start); took > subjects.AbsentTimeout/2 {
		t.Errorf("the loss was noticed after %v, want within the %v between two questions", took, subjects.PingInterval)
	} else {
		t.Logf("noticed after %v", took)
	}
	eventually.True(t, "the absence is reported", func() bool { return absences.Load() > 0 })
	way.set(false)
	close(release)
	if got, err := io.ReadAll(post); err != nil || string(got) != "done" {
		t.Errorf("post, after the agent came back: %q, %v", got, err)
	}
}

// TestBridgeVanishes: NATS says the same of a killed bridge when the agent's engine
// next asks. What the agent executes for it ends long before silence alone would end
// it.
func TestBridgeVanishes(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	way := startRelay(t, srv.Addr().String())
	b, err := NewBridge(dial(t, way.url()), BridgeConfig{ID: "b1"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ended := make(chan error, 1)
	cfg := agentConfig(func(s *stream.Stream) {
		<-s.Context().Done()
		ended <- context.Cause(s.Context())
	})
	const absent, silent = 2 * time.Second, time.Minute
	cfg.Stream.AbsentTimeout, cfg.Stream.PeerTimeout, cfg.Stream.PingInterval = absent, silent, absent/4
	a, err := NewAgent(dial(t, srv.ClientURL()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	eventually.True(t, "both are subscribed", func() bool {
		return a.nc.Load().IsConnected() && a.nc.Load().Flush() == nil && b.nc.IsConnected() && b.nc.Flush() == nil
	})
	s, err := b.Open(t.Context(), "prod", "a1", []byte("watch"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	eventually.True(t, "it is executed", func() bool { return a.Streams() == 1 })
	start := time.Now()
	way.set(true)
	select {
	case err := <-ended:
		if subjects.CodeOf(err) != subjects.CodePeerLost {
			t.Errorf("the cause is %v, want peer-lost", err)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("it is still executed")
	}
	if took := time.Since(start); took < absent/2 {
		t.Errorf("it ended after %v: the bridge had no time to reconnect", took)
	}
}
