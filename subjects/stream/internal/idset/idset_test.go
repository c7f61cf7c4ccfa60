package idset

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestIDSetAgainstModel compares the set with a map, under ids that come almost
// in order as they do, and under wild ones.
func TestIDSetAgainstModel(t *testing.T) {
	for _, spread := range []uint64{3, 50, 1000} {
		r := rand.New(rand.NewPCG(spread, 1))
		var s Set
		model, floor, base := map[uint64]bool{}, uint64(0), uint64(1000)
		seen := func(id uint64) bool { return id < floor || model[id] }
		for range 20_000 {
			base += r.Uint64N(2)
			id := base + r.Uint64N(spread) - min(spread/2, base)
			switch r.IntN(20) {
			case 0:
				if f := id - min(id, r.Uint64N(2*spread)); f > floor {
					floor = f
				}
				s.Raise(floor)
			default:
				if got, want := s.Add(id), !seen(id); got != want {
					t.Fatalf("add(%d) is %v, want %v", id, got, want)
				}
				model[id] = true
			}
			probe := base + r.Uint64N(2*spread) - spread
			if got := s.Has(probe); got != seen(probe) {
				t.Fatalf("has(%d) is %v, want %v", probe, got, !got)
			}
			last := uint64(0)
			for i, p := range s.spans {
				if p.lo > p.hi || p.lo < s.floor || i > 0 && p.lo <= last+1 {
					t.Fatalf("spans %v with floor %d", s.spans, s.floor)
				}
				last = p.hi
			}
		}
	}
}

func TestIDSetEdges(t *testing.T) {
	var s Set
	for _, id := range []uint64{math.MaxUint64, 1, math.MaxUint64 - 1, 0} {
		if !s.Add(id) || s.Add(id) || !s.Has(id) {
			t.Errorf("id %d is not taken exactly once", id)
		}
	}
	s.Raise(math.MaxUint64)
	if !s.Has(12345) || !s.Has(math.MaxUint64) || len(s.spans) > 1 {
		t.Errorf("after raising the floor: %+v", s)
	}
	// Memory is bounded; what no longer fits counts as seen.
	s = Set{}
	for i := range uint64(2 * MaxSpans) {
		s.Add(10 + 2*i)
	}
	if len(s.spans) > MaxSpans {
		t.Errorf("%d spans, at most %d allowed", len(s.spans), MaxSpans)
	}
	for i := range uint64(2 * MaxSpans) {
		if !s.Has(10 + 2*i) {
			t.Fatalf("id %d was forgotten", 10+2*i)
		}
	}
	if top := uint64(11 + 2*(2*MaxSpans-2)); s.Has(top) {
		t.Errorf("id %d counts as seen, though there is room for the newest", top)
	}
}

// TestSpansAreGivenBack: spans and their memory are released once the peer sends a
// floor or is forgotten.
func TestSpansAreGivenBack(t *testing.T) {
	var pool Pool
	fill := func() *Set {
		s := &Set{Pool: &pool}
		for id := range uint64(MaxSpans) {
			s.Add(2 * id)
		}
		if got := pool.used.Load(); got != MaxSpans-OwnSpans {
			t.Fatalf("%d spans taken", got)
		}
		return s
	}
	s := fill()
	s.Raise(2*MaxSpans - 3)
	if got := pool.used.Load(); got != 0 || cap(s.spans) > 2*OwnSpans {
		t.Errorf("%d spans taken, room for %d kept", got, cap(s.spans))
	}
	s = fill()
	s.Drop()
	if got := pool.used.Load(); got != 0 {
		t.Errorf("%d spans taken after the peer was forgotten", got)
	}
	s = fill()
	for id := range uint64(MaxSpans) { // the gaps close
		s.Add(2*id + 1)
	}
	if got := pool.used.Load(); got != 0 || len(s.spans) != 1 || cap(s.spans) > 2*OwnSpans {
		t.Errorf("%d spans taken, %d left in room for %d", got, len(s.spans), cap(s.spans))
	}
}
