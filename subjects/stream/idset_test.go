package stream

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/idset"
)

// TestSpansOfTheMostPeers holds the figure that package idset gives for its bounds:
// the spans of the most peers take 6 MiB.
func TestSpansOfTheMostPeers(t *testing.T) {
	const span = 16 // bytes
	if got := (idset.MaxShared + maxPeers*idset.OwnSpans) * span; got != 6<<20 {
		t.Errorf("spans of %d peers take up to %d bytes, want %d", maxPeers, got, 6<<20)
	}
}

// TestSpansOfAllPeersAreBounded: peers that leave a gap between any two ids fill
// what all share, and no more. From then on such a peer is refused; one that
// numbers its streams as it should is served.
func TestSpansOfAllPeersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var executed sync.Map
		e, p, l := alone(t, Config{Handler: func(s *Stream) {
			if _, twice := executed.LoadOrStore(s.ID(), true); twice {
				t.Errorf("stream %d was executed twice", s.ID())
			}
		}})
		defer e.Close()
		const peers = 2 * idset.MaxShared / idset.MaxSpans
		for i := range peers {
			q := e.AddPeer("gaps " + strconv.Itoa(i))
			for id := range uint64(idset.MaxSpans) {
				e.Receive(q, reset(2*id+2, subjects.CodeCanceled))
			}
		}
		total, room := 0, 0
		for _, q := range e.all() {
			q.mu.Lock()
			n, space := q.seen.Spans()
			total, room = total+n, room+space
			q.mu.Unlock()
		}
		if most := idset.MaxShared + peers*idset.OwnSpans; total != most || room > 4*most {
			t.Errorf("%d spans in room for %d, want %d", total, room, most)
		}

		last := e.AddPeer("gaps " + strconv.Itoa(peers-1))
		l.take()
		const id = 100*idset.MaxSpans + 1 // above all others, after a gap
		say := func(what, want string) {
			e.Receive(last, data(open|fin, id, 0, "x"))
			if got := l.says(); !strings.Contains(got, want) {
				t.Errorf("said %q of %s, want %q", got, what, want)
			}
		}
		say("an opening for which there is no room", "RESET "+strconv.Itoa(id)+" overloaded")
		time.Sleep(2 * resendPause)
		say("a copy", "RESET "+strconv.Itoa(id)+" overloaded")
		e.Receive(last, ack(subjects.Ack{Stream: id, Flags: subjects.AckClosed}))
		say("a copy that comes very late", "ACK "+strconv.Itoa(id)+" closed")
		if _, ok := executed.Load(uint64(id)); ok {
			t.Error("a refused stream was executed")
		}
		for id := range uint64(idset.OwnSpans) {
			e.Receive(p, data(open|fin, 2*id+2, 0, "x"))
		}
		synctest.Wait()
		for id := range uint64(idset.OwnSpans) {
			if _, ok := executed.Load(2*id + 2); !ok {
				t.Errorf("stream %d of a peer with few gaps was not executed", 2*id+2)
			}
		}
	})
}
