package stream

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/flow"
)

// TestRecvAgainstModel feeds a stream in pieces that overlap, repeat, come too
// early and end at any time, and compares what is read.
func TestRecvAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		body := noise(1+r.IntN(100_000), seed)
		trailer := seed%3 == 0
		h := recvHalf{RecvWindow: flow.RecvWindow{Limit: uint64(len(body)), Window: len(body)}}
		var got []byte
		for steps := 0; !h.fin || h.buffered > 0; steps++ {
			if steps > 1_000_000 {
				t.Fatal("no progress")
			}
			if h.buffered > 0 && r.IntN(3) == 0 {
				got = append(got, h.pop(1+r.IntN(5000))...)
				continue
			}
			from := max(int(h.next)-r.IntN(2000), 0) + r.IntN(100)
			from = min(from, len(body))
			to := min(from+r.IntN(3000), len(body))
			d := subjects.Data{Offset: uint64(from)}
			payload := body[from:to:to]
			if to == len(body) && (!trailer || from == to) {
				d.Flags = subjects.DataFin
				if trailer {
					d.Flags |= subjects.DataTrailer
					payload = []byte("trailer")
				}
			}
			before := h.next
			v := h.accept(&d, payload)
			switch {
			case uint64(from) > before && !h.fin:
				if v != gap && !(v == repeated && d.Flags != 0) {
					t.Fatalf("a frame at %d, %d expected: verdict %d", from, before, v)
				}
			case v == overrun || v == gap && !h.fin:
				t.Fatalf("a frame of %d to %d, %d expected: verdict %d", from, to, before, v)
			}
		}
		if !bytes.Equal(got, body) || trailer && string(h.trailer) != "trailer" || h.position() != uint64(len(body)+1) {
			t.Fatalf("seed %d: %d bytes of %d read, or others; trailer %q", seed, len(got), len(body), h.trailer)
		}
	}
}

// TestRecvMemory: the memory for unread bytes stays in proportion to them, however
// small the messages were.
func TestRecvMemory(t *testing.T) {
	for _, size := range []int{1, 7, 100, 1000, 1024, 5000} {
		h := recvHalf{RecvWindow: flow.RecvWindow{Limit: subjects.InitialWindow, Window: subjects.InitialWindow}}
		for h.next+uint64(size) <= h.Limit {
			// A message as the link gives it: the payload is part of a larger one.
			msg := make([]byte, subjects.DataHeaderLen+size)
			if v := h.accept(&subjects.Data{Offset: h.next}, msg[subjects.DataHeaderLen:]); v != took {
				t.Fatalf("verdict %d", v)
			}
		}
		held := cap(h.queue) * 24
		for _, b := range h.queue {
			held += cap(b) + subjects.DataHeaderLen
		}
		if held > 1<<20 || held > 2*subjects.InitialWindow {
			t.Errorf("messages of %d bytes: %d held for a window of %d", size, held, subjects.InitialWindow)
		}
	}
}

func TestBudgetIsServedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p, _ := alone(t, Config{})
		defer e.Close()
		var streams [4]*Stream
		for i := range streams {
			streams[i] = newStream(p, uint64(i+1), false, t.Context())
		}
		const frame = 200 << 10
		order := []int{}
		for range 2 {
			if !p.reserve(streams[0], frame) {
				t.Fatal("two frames do not fit")
			}
		}
		for _, i := range []int{1, 2, 3} {
			if p.reserve(streams[i], frame) {
				t.Errorf("stream %d is let through beyond the bound", i)
			}
		}
		p.abandon(streams[2])
		for range 4 {
			p.arrived(frame)
			for _, i := range []int{1, 2, 3} {
				if streams[i].budget.granted && p.reserve(streams[i], frame) {
					order = append(order, i)
				}
			}
		}
		if len(order) != 2 || order[0] != 1 || order[1] != 3 {
			t.Errorf("served in the order %v, want 1 and 3", order)
		}
		if p.budget.used != 0 || len(p.budget.waiters) != 0 {
			t.Errorf("%d bytes used, %d waiters left", p.budget.used, len(p.budget.waiters))
		}
		// Room that was reserved for a stream that gives up goes to the next.
		p.reserve(streams[0], 2*frame)
		p.reserve(streams[1], 2*frame)
		p.reserve(streams[2], 2*frame)
		p.arrived(2 * frame) // now it is stream 1's
		p.abandon(streams[1])
		if !p.reserve(streams[2], 2*frame) {
			t.Error("the next stream does not get what was given up")
		}
		p.release(2 * frame)
		if p.budget.used != 0 {
			t.Errorf("%d bytes used", p.budget.used)
		}
		// A frame larger than the bound goes alone rather than never.
		if !p.reserve(streams[0], 10*minInFlight) || p.reserve(streams[1], 1) {
			t.Error("one frame may always fly, and nothing beside a large one")
		}
		p.abandon(streams[1])
		p.release(10 * minInFlight)
	})
}

func TestBudgetFollowsThePath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p, _ := alone(t, Config{InFlight: 4 << 20})
		defer e.Close()
		arrive := func(n int, elapsed time.Duration) int {
			p.mu.Lock()
			p.budget.acked = n
			p.mu.Unlock()
			p.resize(int64(elapsed))
			return p.budget.limit
		}
		if got := arrive(100<<20, time.Second); got != minInFlight {
			t.Errorf("%d before the round trip is known", got)
		}
		p.rtt.Sample(int64(10*time.Millisecond), e.now())
		if got := arrive(100<<20, time.Second); got != 2<<20 {
			t.Errorf("%d for 100 MiB/s over 10 ms, want twice what that needs", got)
		}
		if got := arrive(1<<40, time.Second); got != 4<<20 {
			t.Errorf("%d, beyond the configured bound", got)
		}
		if got := arrive(0, time.Second); got != 4<<20-4<<20/8 {
			t.Errorf("%d after a pause, want an eighth less", got)
		}
		for range 50 {
			arrive(0, time.Second)
		}
		if got := p.budget.limit; got != minInFlight {
			t.Errorf("%d after a long pause", got)
		}
	})
}

func TestConfigDefaults(t *testing.T) {
	c := Config{}.withDefaults()
	if c.MaxStreams != subjects.MaxStreams || c.Window != subjects.MaxWindow || c.GrownWindows != 32<<20 ||
		c.InFlight != 16<<20 || c.PeerTimeout != subjects.PeerTimeout || c.AbsentTimeout != subjects.AbsentTimeout ||
		c.OutageTimeout != subjects.OutageTimeout ||
		c.PingInterval != subjects.PingInterval || c.Logger == nil {
		t.Errorf("defaults %+v", c)
	}
	c = Config{
		Window: 1, InFlight: 1, PeerTimeout: time.Hour, AbsentTimeout: time.Hour, OutageTimeout: time.Hour, PingInterval: time.Hour,
	}.withDefaults()
	if c.Window != subjects.InitialWindow || c.InFlight != minInFlight || c.PeerTimeout != peerIdle/2 ||
		c.AbsentTimeout != peerIdle/2 || c.OutageTimeout != peerIdle/2 || c.PingInterval != peerIdle/4 {
		t.Errorf("bounds %+v", c)
	}
	if c = (Config{Window: 1 << 40}).withDefaults(); c.Window != subjects.MaxWindow {
		t.Errorf("window %d", c.Window)
	}
}
