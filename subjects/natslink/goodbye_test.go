package natslink

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestGoodbyeOvertakesAnswers: presence comes on another subscription than
// frames, so a goodbye can be handled long before the answers that were sent
// before it. None of them is lost by that, nor what says how the rest ended.
func TestGoodbyeOvertakesAnswers(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	stalled, goOn, bye := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var onceStalled, onceBye, onceGoOn sync.Once
	release := func() { onceGoOn.Do(func() { close(goOn) }) }
	b, err := NewBridge(dial(t, srv.ClientURL()), BridgeConfig{
		ID: "b1",
		OnPresence: func(_, _ string, p *subjects.Presence) {
			if p.State == subjects.PresenceBye {
				onceBye.Do(func() { close(bye) })
			}
		},
		// It is called by the frames' goroutine, which is held up here.
		OnAbsent: func(string, string) {
			onceStalled.Do(func() { close(stalled) })
			<-goOn
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	defer release()
	answer := bytes.Repeat([]byte("answer "), 7_000) // eight of them fit what may be in flight at first
	answers := make(chan struct{})
	var written sync.WaitGroup
	a, err := NewAgent(dial(t, srv.ClientURL()), AgentConfig{
		Cluster: "prod", Instance: "a1",
		Presence: func() subjects.Presence { return subjects.Presence{Reachable: true} },
		Stream: stream.Config{Handler: func(s *stream.Stream) {
			if first, _ := s.Next(); string(first) == "watch" {
				<-s.Context().Done()
				return
			}
			<-answers
			_ = s.WriteFinal(answer)
			written.Done()
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	eventually(t, "the agent is subscribed", func() bool { return a.nc.Load().IsConnected() && a.nc.Load().Flush() == nil })

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	open := func(first string) *stream.Stream {
		s, err := b.Open(ctx, "prod", "a1", []byte(first), true)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	posts := make([]*stream.Stream, 8)
	written.Add(len(posts))
	for i := range posts {
		posts[i] = open("post")
	}
	watch := open("watch")
	eventually(t, "all are executed", func() bool { return a.Streams() == len(posts)+1 })

	// As NATS says it, so that the frames' goroutine calls OnAbsent.
	nobody := &nats.Msg{Subject: subjects.NoResponders("b1", "prod", "a1", 0), Header: nats.Header{"Status": {"503"}}}
	other := dial(t, srv.ClientURL())
	eventually(t, "the frames' goroutine is held up", func() bool {
		_ = other.PublishMsg(nobody)
		select {
		case <-stalled:
			return true
		default:
			return false
		}
	})
	close(answers)
	written.Wait()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-bye:
	case <-time.After(15 * time.Second):
		t.Fatal("no goodbye within 15 s")
	}
	release()
	for i, s := range posts {
		if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, answer) {
			t.Errorf("post %d: %d bytes of %d, %v", i, len(got), len(answer), err)
		}
	}
	if _, err := watch.Next(); subjects.CodeOf(err) != subjects.CodeShutdown {
		t.Errorf("watch: %v, want shutdown", err)
	}
}
