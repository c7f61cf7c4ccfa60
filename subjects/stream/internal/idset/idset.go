package idset

import (
	"slices"
	"sync/atomic"
)

const (
	// MaxSpans bounds the spans of one set: 256 KiB for the stream ids of a peer
	// that arrived out of order. A span takes 16 bytes.
	MaxSpans = 16 << 10
	// OwnSpans is how many spans each set has for itself. It is more than a peer
	// needs whose openings overtake each other.
	OwnSpans = 64
	// MaxShared bounds the spans that all sets of a [Pool] take beyond their own:
	// 2 MiB. An endpoint has a set for each of its peers, at most the maxPeers of
	// package stream. With OwnSpans for each of those the spans of an endpoint take
	// 6 MiB, and less than 32 MiB with the room that slices keep to grow.
	MaxShared = 128 << 10
)

// Set remembers which stream ids have been seen. Its callers lock. Ids come almost
// in order, so there are few spans of ids: one more than there are gaps.
//
// Memory is bounded: by MaxSpans and, beyond OwnSpans, by the spans that are left
// in the [Pool]. A span beyond that closes the lowest gap instead, which raises the
// floor. So a set may claim that it has seen an id that it has not, but never the
// other way round.
type Set struct {
	floor  uint64 // every id below has been seen or must not be used
	spans  []span // sorted, disjoint, not adjacent, all at or above floor
	Pool   *Pool  // set before use; nil: no bound on shared spans
	shared int    // spans taken from the pool
}

// Pool counts the spans that all sets of an endpoint have beyond OwnSpans each, at
// most MaxShared. A nil pool has no bound. It is safe for concurrent use.
type Pool struct{ used atomic.Int64 }

// take takes a span from the pool and reports whether there was one.
func (p *Pool) take() bool {
	if p == nil || p.used.Add(1) <= MaxShared {
		return true
	}
	p.used.Add(-1)
	return false
}

func (p *Pool) give(n int) {
	if p != nil {
		p.used.Add(-int64(n))
	}
}

type span struct{ lo, hi uint64 } // inclusive

func compareSpan(p span, id uint64) int {
	switch {
	case p.hi < id:
		return -1
	case p.lo > id:
		return 1
	}
	return 0
}

// Add adds id and reports whether it was absent.
func (s *Set) Add(id uint64) bool {
	fresh, _ := s.Put(id)
	return fresh
}

// Put is Add, and reports whether there was room. Without room, id is remembered
// all the same, at the cost of the lowest gap.
func (s *Set) Put(id uint64) (fresh, room bool) {
	if id < s.floor {
		return false, true
	}
	// The usual case: the id after the last.
	if n := len(s.spans); n > 0 && id > 0 && s.spans[n-1].hi == id-1 {
		s.spans[n-1].hi = id
		return true, true
	}
	i, found := slices.BinarySearchFunc(s.spans, id, compareSpan)
	if found {
		return false, true
	}
	left := i > 0 && s.spans[i-1].hi == id-1
	right := i < len(s.spans) && s.spans[i].lo-1 == id
	switch {
	case left && right:
		s.spans[i-1].hi = s.spans[i].hi
		s.spans = slices.Delete(s.spans, i, i+1)
		s.shrink()
	case left:
		s.spans[i-1].hi = id
	case right:
		s.spans[i].lo = id
	default:
		s.spans = slices.Insert(s.spans, i, span{id, id})
		return true, s.grow()
	}
	return true, true
}

// grow accounts for one more span. If there is no room for it, the two lowest
// spans become one.
func (s *Set) grow() (room bool) {
	n := len(s.spans)
	if n <= OwnSpans {
		return true
	}
	if n <= MaxSpans && s.Pool.take() {
		s.shared++
		return true
	}
	s.Raise(s.spans[1].lo)
	return false
}

// shrink gives back the spans of the pool, and the memory, that fewer spans no
// longer need.
func (s *Set) shrink() {
	n := len(s.spans)
	if extra := s.shared - max(n-OwnSpans, 0); extra > 0 {
		s.Pool.give(extra)
		s.shared -= extra
	}
	if c := cap(s.spans); c > 2*OwnSpans && c > 4*n {
		s.spans = append(make([]span, 0, 2*n), s.spans...)
	}
}

// Drop gives up the set of a peer that is forgotten.
func (s *Set) Drop() {
	s.spans = nil
	s.shrink()
}

// Has reports whether id has been seen.
func (s *Set) Has(id uint64) bool {
	if id < s.floor {
		return true
	}
	_, found := slices.BinarySearchFunc(s.spans, id, compareSpan)
	return found
}

// Raise declares every id below floor seen and forgets them one by one.
func (s *Set) Raise(floor uint64) {
	if floor <= s.floor {
		return
	}
	s.floor = floor
	n := 0
	for n < len(s.spans) && s.spans[n].hi < floor {
		n++
	}
	s.spans = slices.Delete(s.spans, 0, n)
	if len(s.spans) > 0 && s.spans[0].lo < floor {
		s.spans[0].lo = floor
	}
	s.shrink()
}

// Spans returns how many spans the set holds, and how many its memory has room
// for.
func (s *Set) Spans() (n, room int) { return len(s.spans), cap(s.spans) }
