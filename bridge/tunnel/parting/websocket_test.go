package parting

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// frame is a WebSocket frame with a payload of n bytes.
func frame(n int, masked bool) []byte {
	mask := byte(0)
	if masked {
		mask = 0x80
	}
	b := []byte{0x82}
	switch {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if masked {
		b = append(b, 1, 2, 3, 4)
	}
	return append(b, make([]byte, n)...)
}

// TestWebSocketFrames: whatever the pieces in which frames are passed on, it is
// known where one ends.
func TestWebSocketFrames(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f := NewWebSocket("")
	if !f.Between() {
		t.Error("not between frames at the beginning")
	}
	for _, masked := range []bool{false, true} {
		for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 100_000} {
			b := frame(n, masked)
			for len(b) > 0 {
				k := 1 + r.IntN(len(b))
				if r.IntN(2) == 0 {
					k = 1
				}
				f.Pass(b[:k])
				b = b[k:]
				if f.Between() != (len(b) == 0) {
					t.Fatalf("payload of %d bytes, masked %v, %d bytes to come: between is %v", n, masked, len(b), f.Between())
				}
			}
		}
	}
}
