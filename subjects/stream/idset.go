package stream

import "slices"

// idSet remembers which stream ids have been seen. Ids come almost in order,
// so spans of ids are few: one plus what is missing in between.
//
// Memory is bounded by maxSeenSpans: what exceeds it raises the floor, so that
// an id can be taken for seen though it was not, never the other way round.
type idSet struct {
	floor uint64 // every id below has been seen or must not be used
	spans []span // sorted, disjoint, not adjacent, all at or above floor
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

// add adds id and reports whether it was absent.
func (s *idSet) add(id uint64) bool {
	if id < s.floor {
		return false
	}
	// The usual case: the id after the last.
	if n := len(s.spans); n > 0 && id > 0 && s.spans[n-1].hi == id-1 {
		s.spans[n-1].hi = id
		return true
	}
	i, found := slices.BinarySearchFunc(s.spans, id, compareSpan)
	if found {
		return false
	}
	left := i > 0 && s.spans[i-1].hi == id-1
	right := i < len(s.spans) && s.spans[i].lo-1 == id
	switch {
	case left && right:
		s.spans[i-1].hi = s.spans[i].hi
		s.spans = slices.Delete(s.spans, i, i+1)
	case left:
		s.spans[i-1].hi = id
	case right:
		s.spans[i].lo = id
	default:
		s.spans = slices.Insert(s.spans, i, span{id, id})
		if len(s.spans) > maxSeenSpans {
			s.raise(s.spans[1].lo)
		}
	}
	return true
}

// has reports whether id has been seen.
func (s *idSet) has(id uint64) bool {
	if id < s.floor {
		return true
	}
	_, found := slices.BinarySearchFunc(s.spans, id, compareSpan)
	return found
}

// raise declares every id below floor seen and forgets them one by one.
func (s *idSet) raise(floor uint64) {
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
}
