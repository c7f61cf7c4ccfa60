package stream

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

func everything([]byte) bool { return true }

// TestStreamsSurviveASilentPath: everything is lost for as long as a process needs to
// notice that its path to the broker has gone silent, and to connect again with one
// failure. The side that reconnects is told so; the other learns nothing.
func TestStreamsSurviveASilentPath(t *testing.T) {
	for _, side := range []string{"opener", "acceptor"} {
		t.Run(side, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, Config{}, faults{delay: time.Millisecond}, echo)
				defer p.close()
				s, err := p.opener.Open(t.Context(), "agent", []byte("0"), false)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				wrote := make(chan error, 1)
				go func() {
					for n := 1; n < 100; n++ {
						time.Sleep(500 * time.Millisecond)
						if _, err := s.Write([]byte{byte('0' + n%10)}); err != nil {
							wrote <- err
							return
						}
					}
					wrote <- s.CloseWrite()
				}()
				time.Sleep(3 * time.Second)
				p.down.losing(everything)
				p.up.losing(everything)
				e := p.opener
				if side == "acceptor" {
					e = p.acceptor
				}
				time.Sleep(15 * time.Second)
				e.LinkDown()
				time.Sleep(11 * time.Second)
				p.down.losing(nil)
				p.up.losing(nil)
				e.LinkUp()
				got, err := io.ReadAll(s)
				if err := <-wrote; err != nil {
					t.Errorf("write: %v", err)
				}
				if err != nil || len(got) != 100 {
					t.Fatalf("%d bytes of 100, %v", len(got), err)
				}
				for n, b := range got {
					if b != byte('0'+n%10) {
						t.Fatalf("byte %d is %q", n, b)
					}
				}
			})
		})
	}
}

// reporting is a link of which a test says whether its messages have a listener.
// Without one, questions are reported as NATS does.
func reporting(t *testing.T, e *Endpoint, w *wire, to string) *noOne {
	t.Helper()
	l := &noOne{wireLink: wireLink{w}, word: make(chan uint64, 16)}
	e.link = l
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		for {
			select {
			case id := <-l.word:
				e.NoResponders(to, id)
			case <-done:
				return
			}
		}
	}()
	return l
}

// TestAbsentPeerIsPresumedDeadSooner: a peer that is silent and not connected is dead
// after AbsentTimeout, for either side. One that comes back before that keeps its
// streams, and so does one that is connected again and still silent.
func TestAbsentPeerIsPresumedDeadSooner(t *testing.T) {
	for _, side := range []string{"opener", "acceptor"} {
		for _, tt := range []struct {
			name           string
			absent, silent time.Duration
			ends           time.Duration // 0: it goes on
		}{
			{"gone for good", time.Hour, time.Hour, subjects.AbsentTimeout},
			{"back in time", 6 * time.Second, 6 * time.Second, 0},
			{"connected and silent", 2 * time.Second, 20 * time.Second, 0},
			{"connected and dead", 2 * time.Second, time.Hour, subjects.PeerTimeout},
		} {
			t.Run(side+"/"+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					accepted := make(chan *Stream, 1)
					p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
						accepted <- s
						<-s.Context().Done()
					})
					defer p.close()
					link := reporting(t, p.opener, p.down, "agent")
					if side == "acceptor" {
						link = reporting(t, p.acceptor, p.up, "bridge")
					}
					s, err := p.opener.Open(t.Context(), "agent", []byte("watch"), false)
					if err != nil {
						t.Fatal(err)
					}
					defer s.Close()
					if s2 := <-accepted; side == "acceptor" {
						s = s2
					}
					time.Sleep(time.Minute)
					began := time.Now()
					link.absent.Store(true)
					p.down.losing(everything)
					p.up.losing(everything)
					time.AfterFunc(tt.absent, func() { link.absent.Store(false) })
					time.AfterFunc(tt.silent, func() {
						p.down.losing(nil)
						p.up.losing(nil)
					})
					for s.Err() == nil && time.Since(began) < 2*time.Minute {
						time.Sleep(10 * time.Millisecond)
					}
					took := time.Since(began)
					switch {
					case tt.ends == 0 && s.Err() != nil:
						t.Errorf("ended after %v: %v", took, s.Err())
					case tt.ends > 0 && (subjects.CodeOf(s.Err()) != subjects.CodePeerLost || took < tt.ends-subjects.PingInterval || took > tt.ends+time.Second):
						t.Errorf("after %v: %v, want peer-lost after about %v", took, s.Err(), tt.ends)
					}
				})
			})
		}
	}
}

// TestRequestsLeaveASilentPeer: a request that can be repeated and has no response
// leaves a silent peer after AbsentTimeout. The others wait. A request that was sent as
// the peer came back is left alone.
func TestRequestsLeaveASilentPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
			b, _ := s.Next()
			if string(b) == "begun" {
				_, _ = s.Write([]byte("1"))
			}
			if string(b) != "quick" {
				<-s.Context().Done()
			}
			_ = s.WriteFinal([]byte("2"))
		})
		defer p.close()
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
		time.Sleep(time.Second)
		began := time.Now()
		p.down.losing(everything)
		p.up.losing(everything)
		if _, err := get.Next(); subjects.CodeOf(err) != subjects.CodePeerLost {
			t.Errorf("a request that can be repeated: %v, want peer-lost", err)
		}
		if took := time.Since(began); took > subjects.AbsentTimeout+time.Second || took < subjects.AbsentTimeout-subjects.PingInterval {
			t.Errorf("it ended after %v of silence, want about %v", took, subjects.AbsentTimeout)
		}
		time.Sleep(10 * time.Second)
		quick := open("quick", true)
		time.Sleep(time.Second) // some looks of the clock
		p.down.losing(nil)
		p.up.losing(nil)
		if b, err := io.ReadAll(quick); err != nil || string(b) != "2" {
			t.Errorf("a request that was sent as the peer came back: %q, %v", b, err)
		}
		if post.Err() != nil || watch.Err() != nil {
			t.Errorf("post: %v, watch: %v; both must wait for the peer", post.Err(), watch.Err())
		}
	})
}
