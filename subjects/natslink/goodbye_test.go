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
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// slowBridge is a bridge whose frames can be held up while presence arrives.
type slowBridge struct {
	*Bridge
	bye     chan struct{} // closed once a goodbye has arrived
	stalled chan struct{} // closed once frames are held up
	release func()        // lets them go on
}

func startSlowBridge(t *testing.T, url string) *slowBridge {
	t.Helper()
	goOn := make(chan struct{})
	s := &slowBridge{bye: make(chan struct{}), stalled: make(chan struct{}), release: sync.OnceFunc(func() { close(goOn) })}
	sayBye := sync.OnceFunc(func() { close(s.bye) })
	stall := sync.OnceFunc(func() { close(s.stalled) })
	b, err := NewBridge(dial(t, url), BridgeConfig{
		ID: "b1",
		OnPresence: func(_, _ string, p *subjects.Presence) {
			if p.State == subjects.PresenceBye {
				sayBye()
			}
		},
		// It is called by the frames' goroutine, which is held up here.
		OnAbsent: func(string, string) {
			stall()
			<-goOn
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Bridge = b
	t.Cleanup(func() {
		s.release()
		_ = b.Close()
	})
	return s
}

// stall holds the frames up from now on.
func (s *slowBridge) stall(t *testing.T, url string) {
	t.Helper()
	// As NATS says it, so that the frames' goroutine calls OnAbsent.
	nobody := &nats.Msg{Subject: subjects.NoResponders("b1", "prod", "a1", 0), Header: nats.Header{"Status": {"503"}}}
	other := dial(t, url)
	eventually.True(t, "the frames' goroutine is held up", func() bool {
		_ = other.PublishMsg(nobody)
		select {
		case <-s.stalled:
			return true
		default:
			return false
		}
	})
}

// TestGoodbyeOvertakesAnswers: presence comes on another subscription than
// frames, so a goodbye can be handled long before the answers that were sent
// before it. None of them is lost by that, nor what says how the rest ended.
func TestGoodbyeOvertakesAnswers(t *testing.T) {
	srv := startServer(t, 0)
	defer stopServer(srv)
	b := startSlowBridge(t, srv.ClientURL())
	answer := bytes.Repeat([]byte("answer "), 7_000) // eight of them fit what may be in flight at first
	answers := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(answers) })
	defer letGo() // the agent waits for its handlers
	var written sync.WaitGroup
	a := startAgent(t, srv.ClientURL(), func(s *stream.Stream) {
		if first, _ := s.Next(); string(first) == "watch" {
			<-s.Context().Done()
			return
		}
		<-answers
		_ = s.WriteFinal(answer)
		written.Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	posts := make([]*stream.Stream, 8)
	written.Add(len(posts))
	for i := range posts {
		posts[i] = b.open(ctx, t, "post")
	}
	watch := b.open(ctx, t, "watch")
	eventually.True(t, "all are executed", func() bool { return a.Streams() == len(posts)+1 })

	b.stall(t, srv.ClientURL())
	letGo()
	written.Wait()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.bye:
	case <-time.After(15 * time.Second):
		t.Fatal("no goodbye within 15 s")
	}
	b.release()
	for i, s := range posts {
		if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, answer) {
			t.Errorf("post %d: %d bytes of %d, %v", i, len(got), len(answer), err)
		}
	}
	if _, err := watch.Next(); subjects.CodeOf(err) != subjects.CodeShutdown {
		t.Errorf("watch: %v, want shutdown", err)
	}
}

func (s *slowBridge) open(ctx context.Context, t *testing.T, first string) *stream.Stream {
	t.Helper()
	st, err := s.Open(ctx, "prod", "a1", []byte(first), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}
