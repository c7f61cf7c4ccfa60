package parting

import (
	"encoding/binary"
	"math"
)

// maxNesting bounds how deep an item may be nested. Kubernetes' decoder accepts 64.
const maxNesting = 128

// indefinite is the number of items in an array or map that ends with a break.
const indefinite = math.MaxUint64

// The major types of CBOR that are not whole with their head (RFC 8949 section 3.1).
const (
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
	majorTag   = 6
	majorOther = 7

	moreIndefinite = 31 // of the additional information
)

// items follows a sequence of CBOR items (RFC 8742), to know where one ends. The zero
// value is at the beginning.
type items struct {
	head   [9]byte  // of the item under way, as far as it has come
	n      int      // bytes of head
	left   uint64   // bytes of a string that are still to come
	open   []uint64 // how many items are still to come, of each array and map under way
	tagged bool     // the item of a tag is to come
	bad    bool     // it is not CBOR, or nested too deep
}

// between reports whether the last item has come to its end.
func (s *items) between() bool {
	return !s.bad && s.n == 0 && s.left == 0 && len(s.open) == 0 && !s.tagged
}

func (s *items) pass(b []byte) {
	for len(b) > 0 && !s.bad {
		if s.left > 0 {
			k := min(s.left, uint64(len(b)))
			s.left -= k
			if b = b[k:]; s.left == 0 {
				s.whole()
			}
			continue
		}
		s.head[s.n] = b[0]
		s.n++
		b = b[1:]
		if s.n == s.headLength() {
			s.n = 0
			s.begin()
		}
	}
}

// headLength is the length of a head by its first byte.
func (s *items) headLength() int {
	switch more := s.head[0] & 31; more {
	case 24, 25, 26, 27:
		return 1 + 1<<(more-24)
	}
	return 1
}

// begin looks at a complete head.
func (s *items) begin() {
	major, more := s.head[0]>>5, s.head[0]&31
	n := uint64(more)
	switch more {
	case 24:
		n = uint64(s.head[1])
	case 25:
		n = uint64(binary.BigEndian.Uint16(s.head[1:]))
	case 26:
		n = uint64(binary.BigEndian.Uint32(s.head[1:]))
	case 27:
		n = binary.BigEndian.Uint64(s.head[1:])
	case 28, 29, 30:
		s.bad = true
		return
	case moreIndefinite:
		n = indefinite
	}
	switch {
	case major == majorTag && n != indefinite:
		s.tagged = true
	case major == majorOther && n == indefinite:
		s.end()
	case n == indefinite && (major < majorBytes || major == majorTag):
		s.bad = true
	case n != indefinite && (major == majorBytes || major == majorText):
		if s.left = n; n == 0 {
			s.whole()
		}
	case major >= majorBytes && major <= majorMap:
		s.enter(major, n)
	default:
		s.whole()
	}
}

// enter begins an array, a map, or a string in pieces.
func (s *items) enter(major byte, n uint64) {
	if major == majorMap && n != indefinite {
		s.bad = n > math.MaxInt64/2
		n *= 2
	}
	s.tagged = false
	switch {
	case n == 0:
		s.whole()
	case len(s.open) == maxNesting:
		s.bad = true
	default:
		s.open = append(s.open, n)
	}
}

// end is a break.
func (s *items) end() {
	last := len(s.open) - 1
	if last < 0 || s.open[last] != indefinite || s.tagged {
		s.bad = true
		return
	}
	s.open = s.open[:last]
	s.whole()
}

// whole notes that an item has come to its end, and what ends with it.
func (s *items) whole() {
	s.tagged = false
	for last := len(s.open) - 1; last >= 0 && s.open[last] != indefinite; last-- {
		if s.open[last]--; s.open[last] > 0 {
			return
		}
		s.open = s.open[:last]
	}
}
