package stream

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestNothingIsSentWhileDown: the link's Send may block while it dials, and
// what it takes is lost.
func TestNothingIsSentWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p, l := alone(t, Config{})
		defer e.Close()
		s, err := e.Open(t.Context(), "other", []byte("before"), false)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 8 {
			e.Receive(p, dataAck(0, s.ID(), uint64(i*limit/16), 6, limit, long(limit/16)))
		}
		l.take()
		e.LinkDown()
		if _, err := s.Write([]byte(", meanwhile")); err != nil {
			t.Error(err)
		}
		s2, err := e.Open(t.Context(), "other", []byte("meanwhile"), true)
		if err != nil {
			t.Fatal(err)
		}
		e.Receive(p, probe(subjects.Probe{Stream: 1}))
		s3, err := e.Open(t.Context(), "other", []byte("cancelled meanwhile"), true)
		if err != nil {
			t.Fatal(err)
		}
		s3.Close()
		if _, err := io.CopyN(io.Discard, readerOnly{s}, limit/2); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Second)
		if m := l.take(); len(m) > 0 {
			t.Errorf("%d messages were handed to a link that is down, the first: %s", len(m), describe(m[0]))
		}
		e.LinkUp()
		got := l.says()
		for _, id := range []uint64{s.ID(), s2.ID()} {
			q := describe(probe(subjects.Probe{Stream: id, Sent: map[uint64]uint64{s.ID(): 17, s2.ID(): 10}[id]}))
			if !strings.Contains(got, q) {
				t.Errorf("said %q once it was up again, want %q in it", got, q)
			}
		}
		time.Sleep(time.Second)
		if got, want := l.says(), describe(reset(s3.ID(), subjects.CodeCanceled)); !strings.Contains(got, want) {
			t.Errorf("said %q later, want %q in it", got, want)
		}
	})
}

// TestQueuesAreBounded: a peer that asks faster than the link takes the answers
// fills a queue, not the memory.
func TestQueuesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &hanging{}
		e := New(Config{Handler: func(*Stream) {}}, l)
		defer e.Close()
		p := e.AddPeer("other")
		l.once.Store(int64(time.Hour))
		e.Receive(p, probe(subjects.Probe{Stream: 1})) // its answer hangs
		synctest.Wait()
		many := make([]subjects.Probe, subjects.MaxEntries)
		for range 100 {
			e.Receive(p, probe(many...))
			e.Receive(p, data(8, 5, 0, "malformed"))
			e.Receive(p, subjects.AppendPing(nil, subjects.FramePing, subjects.Ping{Nonce: 1}))
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if w := &p.work; len(w.acks) > maxQueued || len(w.resets) > maxQueued || len(w.pongs) > 16 {
			t.Errorf("%d acks, %d resets, %d pongs wait", len(w.acks), len(w.resets), len(w.pongs))
		}
	})
}

// TestQueuesOfStreamsAreBounded: streams that come and go while the link accepts
// nothing do not fill the memory with frames about them.
func TestQueuesOfStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &hanging{}
		e := New(Config{Handler: func(*Stream) {}}, l)
		defer e.Close()
		p := e.AddPeer("other")
		l.once.Store(int64(time.Hour))
		e.Receive(p, probe(subjects.Probe{Stream: 1})) // its answer hangs
		synctest.Wait()
		come := func(id uint64) {
			e.Receive(p, data(open, id, 0, "x"))
			e.Receive(p, reset(id, subjects.CodeCanceled))
		}
		come(1)
		p.mu.Lock()
		p.work.ackOf = slices.Repeat(p.work.ackOf, maxQueued)
		p.mu.Unlock()
		come(2)
		p.mu.Lock()
		defer p.mu.Unlock()
		if n := len(p.work.ackOf); n != maxQueued {
			t.Errorf("%d streams wait to be acknowledged, want %d", n, maxQueued)
		}
	})
}

// TestResendsAreBounded is the same for streams to be sent again, which the
// opener ends. One that finds no room is sent again when it is next asked for.
func TestResendsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &hanging{}
		e := New(Config{}, l)
		defer e.Close()
		p := e.AddPeer("other")
		l.once.Store(int64(time.Second))
		e.Receive(p, probe(subjects.Probe{Stream: 1})) // its answer hangs
		synctest.Wait()
		lost := func() *Stream {
			s, err := e.Open(t.Context(), "other", []byte("x"), true)
			if err != nil {
				t.Fatal(err)
			}
			e.Receive(p, ack(subjects.Ack{Stream: s.ID(), Flags: subjects.AckUnknown}))
			return s
		}
		lost().Close()
		p.mu.Lock()
		p.work.resend = slices.Repeat(p.work.resend, maxQueued)
		p.mu.Unlock()
		s := lost()
		defer s.Close()
		p.mu.Lock()
		if n := len(p.work.resend); n != maxQueued {
			t.Errorf("%d streams wait to be sent again, want %d", n, maxQueued)
		}
		p.mu.Unlock()
		time.Sleep(2 * time.Second)
		l.take()
		e.Receive(p, ack(subjects.Ack{Stream: s.ID(), Flags: subjects.AckUnknown}))
		if got, want := l.says(), describe(data(open|fin, s.ID(), 0, "x")); len(got) != len(want) {
			t.Errorf("said %q, want %q", got, want)
		}
	})
}

// TestRefusalsAreRepeatedInModeration, also when more resets than can be kept
// wait to be confirmed.
func TestRefusalsAreRepeatedInModeration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p, l := alone(t, Config{Handler: func(*Stream) {}})
		defer e.Close()
		e.Refuse(subjects.CodeDraining)
		for id := range uint64(subjects.MaxStreams) {
			e.Receive(p, data(open|fin, id+1, 0, "x"))
		}
		l.take()
		time.Sleep(2 * resendPause)
		for range 100 {
			e.Receive(p, data(0, 7, 5, "x"))
		}
		if got := strings.Count(l.says(), "RESET 7 draining"); got != 1 {
			t.Errorf("the reset was repeated %d times at once", got)
		}
	})
}

// TestPeersAreBounded: an agent remembers so many bridges and no more.
func TestPeersAreBounded(t *testing.T) {
	e := New(Config{Handler: func(*Stream) {}}, &tape{})
	defer e.Close()
	for i := range maxPeers {
		if e.AddPeer(string(rune('a'+i%26))+time.Duration(i).String()) == nil {
			t.Fatalf("no room for peer %d", i)
		}
	}
	if e.AddPeer("one more") != nil {
		t.Errorf("there is room for %d", maxPeers+1)
	}
}

// TestLogIsNotFlooded by what a peer does wrong.
func TestLogIsNotFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines strings.Builder
		e := New(Config{Logger: slog.New(slog.NewTextHandler(&lines, nil))}, &tape{})
		defer e.Close()
		p := e.AddPeer("other")
		for range 3 {
			for range 1000 {
				e.Receive(p, []byte{0x11})
			}
			time.Sleep(logInterval + time.Second)
		}
		if n := strings.Count(lines.String(), "\n"); n != 3 {
			t.Errorf("%d lines for 3,000 malformed frames in half a minute, want 3", n)
		}
		if got := e.Stats().Malformed; got != 3000 {
			t.Errorf("%d counted", got)
		}
	})
}

// TestIDsNeverFallBack: for a peer that is met again, ids continue above the ones
// used before. Otherwise the peer would take new streams for old ones.
func TestIDsNeverFallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p, _ := alone(t, Config{})
		defer e.Close()
		ahead := uint64(1) << 62 // as if the wall clock had been years ahead
		p.numberFrom(ahead)
		time.Sleep(11 * time.Minute)
		if e.Peer("other") != nil {
			t.Fatal("the peer is not forgotten")
		}
		s, err := e.Open(t.Context(), "other", []byte("x"), true)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if s.ID() < ahead {
			t.Errorf("id %d after %d", s.ID(), ahead)
		}
	})
}

// TestStalledReaderAfterAFastOne: a reader that was fast on a long path and
// then stops costs its grown window, and all of them together their bound.
func TestStalledReaderAfterAFastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{GrownWindows: 6 << 20}
		p := newPair(t, cfg, faults{delay: 25 * time.Millisecond}, func(s *Stream) { _, _ = s.ReadFrom(endless{}) })
		defer p.close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var streams []*Stream
		for range 5 {
			s, err := p.opener.Open(ctx, "agent", nil, true)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			streams = append(streams, s)
			go func() { _, _ = io.CopyN(io.Discard, readerOnly{s}, 40<<20) }()
		}
		time.Sleep(time.Minute) // all have read their share and stopped
		total := 0
		for i, s := range streams {
			if n := s.Buffered(); n > subjects.MaxWindow {
				t.Errorf("stream %d holds %d bytes", i, n)
			}
			total += s.Buffered()
		}
		if bound := 5*subjects.InitialWindow + cfg.GrownWindows; total > bound || total < 5*subjects.InitialWindow {
			t.Errorf("%d bytes held by 5 stalled readers, want at most %d and their windows at least", total, bound)
		}
		if g := p.opener.grown.Load(); g > int64(cfg.GrownWindows) || g == 0 {
			t.Errorf("windows have grown by %d", g)
		}
	})
}
