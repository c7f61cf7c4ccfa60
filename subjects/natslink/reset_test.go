package natslink

import (
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestResetStreams: the streams of one cluster end, at both ends, and those of
// others go on until all are reset.
func TestResetStreams(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b, err := NewBridge(dial(t, srv.ClientURL()), BridgeConfig{ID: "b1"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	streams, agents := map[string]*stream.Stream{}, map[string]*Agent{}
	for _, cluster := range []string{"prod", "dev"} {
		a, err := NewAgent(dial(t, srv.ClientURL()), AgentConfig{
			Cluster: cluster, Instance: "a1",
			Presence: func() subjects.Presence { return subjects.Presence{Reachable: true} },
			Stream:   stream.Config{Handler: func(s *stream.Stream) { <-s.Context().Done() }},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		eventually.True(t, "the agent is subscribed", func() bool { return a.nc.Load().IsConnected() && a.nc.Load().Flush() == nil })
		s, err := b.Open(t.Context(), cluster, "a1", []byte("x"), true)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		eventually.True(t, "it is executed", func() bool { return a.Streams() == 1 })
		streams[cluster], agents[cluster] = s, a
	}
	wantReset := func(cluster, why string) {
		t.Helper()
		_ = streams[cluster].SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := streams[cluster].Next(); subjects.CodeOf(err) != subjects.CodeShutdown {
			t.Errorf("%s of the stream to %s: %v", why, cluster, err)
		}
		eventually.True(t, "the agent has ended it", func() bool { return agents[cluster].Streams() == 0 })
	}
	b.ResetStreams("pro", subjects.CodeShutdown, "not a prefix")
	if b.Streams() != 2 {
		t.Fatalf("%d streams are open, want both", b.Streams())
	}
	b.ResetStreams("prod", subjects.CodeShutdown, "removed")
	wantReset("prod", "reset")
	if b.Streams() != 1 || agents["dev"].Streams() != 1 {
		t.Error("the stream to dev has ended too")
	}
	b.ResetStreams("", subjects.CodeShutdown, "all")
	wantReset("dev", "reset of all")
}
