package stream

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

func isType(m []byte, t subjects.FrameType) bool {
	got, err := subjects.ParseType(m)
	return err == nil && got == t
}

// TestLostCreditIsAskedFor: a writer that waits for credit while everything it
// has sent is acknowledged must still ask, since the update can be lost.
func TestLostCreditIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
			time.Sleep(5 * time.Second) // the window fills and all of it is acknowledged
			n, err := io.Copy(io.Discard, readerOnly{s})
			if n != 1<<20 || err != nil {
				t.Errorf("received %d bytes, %v", n, err)
			}
			_ = s.WriteFinal([]byte("done"))
		})
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", []byte("x"), false)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		go func() { _ = s.WriteFinal(make([]byte, 1<<20-1)) }()
		time.Sleep(4 * time.Second)
		// All credit that readers give is lost; answers to probes are not.
		var answer atomic.Bool
		p.down.losing(func(m []byte) bool {
			if isType(m, subjects.FrameProbe) {
				answer.Store(true)
			}
			return false
		})
		p.up.losing(func(m []byte) bool { return isType(m, subjects.FrameAck) && !answer.Swap(false) })
		done := make(chan error, 1)
		go func() {
			_, err := io.ReadAll(s)
			done <- err
		}()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(25 * time.Second):
			t.Error("the writer waits for credit that was lost, and has not asked")
		}
	})
}

// TestRefusedIsNeverExecuted: a refusal says that nothing was executed, so the
// caller may go elsewhere; a late copy of the opening must not be executed.
func TestRefusedIsNeverExecuted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var executed atomic.Int32
		e, p, l := alone(t, Config{Handler: func(*Stream) { executed.Add(1) }})
		defer e.Close()
		e.Refuse(subjects.CodeDraining)
		e.Receive(p, data(open|fin, 7, 0, "post"))
		if got, want := l.says(), "RESET 7 draining"; got != want {
			t.Errorf("answer %q, want %q", got, want)
		}
		e.Refuse(0)
		e.Receive(p, data(open|fin, 7, 0, "post"))
		synctest.Wait()
		if executed.Load() != 0 {
			t.Error("executed after it was refused")
		}
		time.Sleep(2 * time.Second)
		if got := l.says(); len(got) < 16 || got[:16] != "RESET 7 draining" {
			t.Errorf("the refusal was not repeated: %q", got)
		}
	})
}

// TestOneSidedLossLeavesNothing: one direction of the path is dead for long
// enough that one side gives up, and works again before the other does.
func TestOneSidedLossLeavesNothing(t *testing.T) {
	for _, side := range []string{"down", "up"} {
		t.Run(side, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) { <-s.Context().Done() })
				defer p.close()
				s, err := p.opener.Open(t.Context(), "agent", []byte("watch"), true)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Second)
				w := p.down
				if side == "up" {
					w = p.up
				}
				all := func([]byte) bool { return true }
				w.losing(all)
				for p.acceptor.Streams() == 1 && s.Err() == nil {
					time.Sleep(10 * time.Millisecond)
				}
				// The frames of the side that gave up are lost too.
				p.down.losing(all)
				p.up.losing(all)
				time.Sleep(5 * time.Second)
				p.down.losing(nil)
				p.up.losing(nil)
				// Other streams keep the peers in touch.
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				s2, err := p.opener.Open(ctx, "agent", []byte("another watch"), true)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(50 * time.Second)
				if s.Err() == nil || p.acceptor.Streams() != 1 || p.opener.Streams() != 1 {
					t.Errorf("first stream: %v; streams: opener %d, acceptor %d, want 1 each (the second)",
						s.Err(), p.opener.Streams(), p.acceptor.Streams())
				}
				s2.Close()
				p.empty(t)
			})
		})
	}
}

// TestResetsAreRepeated: however long resets are lost, the stream ends when one
// gets through.
func TestResetsAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{PeerTimeout: 10 * time.Second}, faults{delay: time.Millisecond}, func(s *Stream) { <-s.Context().Done() })
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", []byte("watch"), true)
		if err != nil {
			t.Fatal(err)
		}
		s2, err := p.opener.Open(t.Context(), "agent", []byte("another watch"), true)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		p.down.losing(func(m []byte) bool { return isType(m, subjects.FrameReset) || isType(m, subjects.FramePing) })
		s.Close()
		time.Sleep(time.Minute)
		p.down.losing(nil)
		time.Sleep(3 * time.Second)
		if n := p.acceptor.Streams(); n != 1 {
			t.Errorf("%d streams on the accepting side, want the one that is still open", n)
		}
		s2.Close()
		p.empty(t)
	})
}

// TestProbesDoNotEcho: two sides with bytes in flight must not ask each other
// at the rate of the round trip.
func TestProbesDoNotEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: 5 * time.Millisecond}, func(s *Stream) {
			go func() { _, _ = io.Copy(io.Discard, readerOnly{s}) }()
			_, _ = s.ReadFrom(endless{})
		})
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", []byte("x"), false)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = s.ReadFrom(endless{}) }()
		go func() { _, _ = io.Copy(io.Discard, readerOnly{s}) }()
		time.Sleep(200 * time.Millisecond)
		var probes atomic.Int32
		count := func(m []byte) bool {
			if isType(m, subjects.FrameProbe) {
				probes.Add(1)
			}
			return false
		}
		p.down.losing(count)
		p.up.losing(count)
		p.opener.LinkUp()
		time.Sleep(time.Second)
		if n := probes.Load(); n > 12 {
			t.Errorf("%d probes in a second for one stream after a reconnect, want at most 4 a second and direction", n)
		}
		s.Close()
		p.empty(t)
	})
}

// TestGapCostsOneResend: on a long path the receiver reports one loss many
// times before the resend can arrive.
func TestGapCostsOneResend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: 50 * time.Millisecond}, func(s *Stream) { _, _ = s.ReadFrom(endless{}) })
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", []byte("x"), true)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		go func() { _, _ = io.Copy(io.Discard, readerOnly{s}) }()
		time.Sleep(10 * time.Second) // the window has grown
		before := p.acceptor.Stats().Resent
		var lost atomic.Bool
		p.up.losing(func(m []byte) bool { return isType(m, subjects.FrameData) && !lost.Swap(true) })
		time.Sleep(2 * time.Second)
		window := uint64(subjects.MaxWindow / subjects.MaxPayload)
		n := p.acceptor.Stats().Resent - before
		t.Logf("one loss: %d frames sent again, the window holds %d", n, window)
		if n == 0 || n > 2*window {
			t.Errorf("one lost frame had %d sent again, the window holds %d", n, window)
		}
	})
}

// TestRepeatedIsAnswered: a copy of what has arrived says that the sender does
// not know it has.
func TestRepeatedIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p, l := alone(t, Config{Handler: func(s *Stream) { <-s.Context().Done() }})
		defer e.Close()
		e.Receive(p, data(open, 7, 0, "hello"))
		time.Sleep(100 * time.Millisecond)
		if got, want := l.says(), "ACK 7 to 5"; got != want {
			t.Errorf("first copy: %q, want %q", got, want)
		}
		e.Receive(p, data(open, 7, 0, "hello"))
		if got, want := l.says(), "ACK 7 to 5"; got != want {
			t.Errorf("second copy: %q, want %q", got, want)
		}
	})
}

// TestTinyWritesStayBounded: credit in bytes alone would let 262,144 messages
// of a byte be in flight, and be kept.
func TestTinyWritesStayBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) { <-s.Context().Done() })
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", []byte("x"), false)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		p.cut(0, 0)
		wrote := make(chan int, 1)
		go func() {
			n := 0
			for {
				if _, err := s.Write([]byte{1}); err != nil {
					wrote <- n
					return
				}
				n++
			}
		}()
		time.Sleep(5 * time.Second)
		s.mu.Lock()
		frames, held := len(s.send.kept), 0
		for _, f := range s.send.kept {
			held += cap(f.Buf)
		}
		s.mu.Unlock()
		if held > subjects.InitialWindow {
			t.Errorf("%d frames of a byte hold %d bytes, want at most the window of %d", frames, held, subjects.InitialWindow)
		}
		p.restore()
		time.Sleep(time.Second)
		s.Close()
		if n := <-wrote; n <= frames {
			t.Errorf("only %d bytes were written, the writer did not go on", n)
		}
		p.empty(t)
	})
}

// TestTinyWritesKeepTheirPace: the bound on messages must not wait for the
// clock.
func TestTinyWritesKeepTheirPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, echo)
		defer p.close()
		start := time.Now()
		s, err := p.opener.Open(t.Context(), "agent", []byte("x"), false)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for range 20_000 {
				if _, err := s.Write([]byte("12345678")); err != nil {
					t.Error(err)
					return
				}
			}
			_ = s.CloseWrite()
		}()
		b, err := io.ReadAll(s)
		if len(b) != 160_001 || err != nil {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		if d := time.Since(start); d > 500*time.Millisecond {
			t.Errorf("20,000 messages over a path of 2 ms took %v, want %s", d, "about 80 windows of 256 messages")
		}
		s.Close()
		p.empty(t)
	})
}
