package stream

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// noOne is a link that can be told that its messages have no listener. It reports
// that as NATS does, one report at a time.
type noOne struct {
	wireLink
	absent atomic.Bool
	word   chan uint64
}

func (l *noOne) SendOpen(to string, stream uint64, msg []byte) error {
	if !l.absent.Load() {
		return l.wireLink.SendOpen(to, stream, msg)
	}
	select {
	case l.word <- stream:
	default:
	}
	return nil
}

// TestAbsentPeer: when a peer has no listener, the streams that another peer can
// serve end as soon as the peer is asked; all others wait for its return.
func TestAbsentPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int32
		p := newPair(t, Config{Absent: func(to string) {
			if to != "agent" {
				t.Errorf("%q is absent, want agent", to)
			}
			told.Add(1)
		}}, faults{delay: time.Millisecond}, func(s *Stream) {
			if b, _ := s.Next(); string(b) == "begun" {
				_, _ = s.Write([]byte("1"))
			}
			select {
			case <-time.After(20 * time.Second):
				_ = s.WriteFinal([]byte("2"))
			case <-s.Context().Done():
			}
		})
		defer p.close()
		link := &noOne{wireLink: wireLink{p.down}, word: make(chan uint64, 16)}
		p.opener.link = link
		done := make(chan struct{})
		defer close(done)
		go func() {
			for {
				select {
				case id := <-link.word:
					p.opener.NoResponders("agent", id)
				case <-done:
					return
				}
			}
		}()

		open := func(first string, impatient bool) *Stream {
			s, err := p.opener.Open(t.Context(), "agent", []byte(first), true)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			if impatient {
				s.EndWhenAbsent()
			}
			return s
		}
		get, post, watch := open("get", true), open("post", false), open("begun", true)
		if b, err := watch.Next(); err != nil || string(b) != "1" {
			t.Fatalf("watch: %q, %v", b, err)
		}
		synctest.Wait()
		start := time.Now()
		link.absent.Store(true)
		if _, err := get.Next(); subjects.CodeOf(err) != subjects.CodePeerLost {
			t.Errorf("a request that can be repeated: %v, want peer-lost", err)
		}
		if took := time.Since(start); took > subjects.PingInterval {
			t.Errorf("it ended after %v, want at most the %v between questions", took, subjects.PingInterval)
		}
		synctest.Wait()
		if told.Load() == 0 {
			t.Error("the absence was not reported")
		}
		if post.Err() != nil || watch.Err() != nil {
			t.Errorf("post: %v, watch: %v; both must wait for the peer", post.Err(), watch.Err())
		}
		time.Sleep(4 * time.Second)
		link.absent.Store(false) // it is back
		for _, s := range []*Stream{post, watch} {
			if b, err := s.Next(); err != nil || string(b) != "2" {
				t.Errorf("after the return: %q, %v", b, err)
			}
		}
		post.Close()
		watch.Close()
		p.empty(t)
		quiet := told.Load()
		link.absent.Store(true)
		p.opener.NoResponders("agent", 0)
		p.opener.NoResponders("somebody", 0)
		if told.Load() != quiet {
			t.Error("the absence of a peer without streams was reported")
		}
	})
}
