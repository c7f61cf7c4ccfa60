package dial

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"
)

// The frames of RFC 6455, section 5.
const (
	frameFinal  = 0x80 // in the first byte
	frameMasked = 0x80 // in the second
	opContinue  = 0x0
	opText      = 0x1
	opBinary    = 0x2
	opClose     = 0x8 // the first of the control frames
	opPing      = 0x9
	opPong      = 0xa
	maxControl  = 125 // bytes of a control frame's payload
	maxHeader   = 14  // bytes of a header: 2, the length's 8, the mask's 4
)

// closeTimeout bounds the goodbye. A frame of 8 bytes fits into the socket's buffer,
// or the other end is not reading.
const closeTimeout = 100 * time.Millisecond

// maxFrame bounds what is written at once, header included: four records of TLS.
const maxFrame = 64 << 10

// webSocketConn carries a stream of bytes in the binary messages of a WebSocket.
// Where messages begin and end means nothing to NATS. A message is never held as
// a whole, so that its size needs no bound.
//
// As for any [net.Conn], methods may be called concurrently. Pings are answered by
// the goroutine that reads, or with the next write if one is going on.
type webSocketConn struct {
	net.Conn                    // for deadlines and addresses
	stream   io.ReadWriteCloser // the same connection, after the bytes that came with the 101

	in frameReader // for the goroutine that reads

	write sync.Mutex // held while a frame is written; guards buf
	buf   []byte

	mu   sync.Mutex // guards pong
	pong []byte     // the payload of the latest unanswered ping; nil: none
}

// Read implements [net.Conn].
func (c *webSocketConn) Read(b []byte) (int, error) {
	for c.in.end == nil {
		n, err := c.stream.Read(b)
		if kept := c.in.strip(b[:n], c.pinged); kept > 0 || len(b) == 0 {
			return kept, nil // err comes again
		}
		if err != nil && c.in.end == nil {
			return 0, err
		}
	}
	return 0, c.in.end
}

// Write implements [net.Conn].
func (c *webSocketConn) Write(b []byte) (int, error) {
	c.write.Lock()
	defer c.write.Unlock()
	sent := 0
	for sent < len(b) {
		part := b[sent:min(len(b), sent+maxFrame-maxHeader)]
		if err := c.send(opBinary, part); err != nil {
			return sent, err
		}
		sent += len(part)
	}
	return sent, c.answer()
}

// Close implements [net.Conn]. It says goodbye, if that needs no waiting.
func (c *webSocketConn) Close() error {
	if c.write.TryLock() {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(closeTimeout))
		_ = c.send(opClose, []byte{0x03, 0xe8}) // 1000, a normal end
		c.write.Unlock()
	}
	return c.Conn.Close()
}

// pinged answers a ping. While another goroutine writes, it leaves the answer to
// that one or to the next: a write may wait for the other end, which may wait
// until it is read.
func (c *webSocketConn) pinged(payload []byte) {
	c.mu.Lock()
	c.pong = append([]byte{}, payload...)
	c.mu.Unlock()
	if c.write.TryLock() {
		_ = c.answer() // its failure is the next write's
		c.write.Unlock()
	}
}

// answer sends the answer to the latest ping, if one is due. The caller holds write.
func (c *webSocketConn) answer() error {
	c.mu.Lock()
	pong := c.pong
	c.pong = nil
	c.mu.Unlock()
	if pong == nil {
		return nil
	}
	return c.send(opPong, pong)
}

// send writes one frame. The caller holds write.
func (c *webSocketConn) send(op byte, payload []byte) error {
	if need := maxHeader + len(payload); cap(c.buf) < need {
		c.buf = make([]byte, 0, min(max(need, 2*cap(c.buf)), maxFrame))
	}
	c.buf = appendFrame(c.buf[:0], op, payload)
	_, err := c.stream.Write(c.buf)
	return err
}

// appendFrame appends a client's frame, which is masked.
func appendFrame(b []byte, op byte, payload []byte) []byte {
	b = append(b, frameFinal|op)
	switch n := len(payload); {
	case n <= maxControl:
		b = append(b, frameMasked|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, frameMasked|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, frameMasked|127), uint64(n))
	}
	// The mask keeps the writer of the payload from choosing the bytes on the wire. It
	// need not be secret; the generator is seeded by the system and not predictable.
	key := rand.Uint32()
	b = binary.LittleEndian.AppendUint32(b, key)
	start := len(b)
	b = slices.Grow(b, len(payload))[:start+len(payload)]
	mask(b[start:], payload, key)
	return b
}

// mask writes src to dst, which is as long, masked: byte i of the key, from the
// lowest on, is for every fourth byte from i on.
func mask(dst, src []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for len(src) >= 8 && len(dst) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^wide)
		src, dst = src[8:], dst[8:]
	}
	for i := range src {
		dst[i] = src[i] ^ byte(key>>(8*(i%4)))
	}
}
