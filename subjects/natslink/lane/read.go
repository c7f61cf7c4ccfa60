package lane

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
)

// errMalformed ends a connection whose messages do not end where they say.
var errMalformed = errors.New("lane: a message without its line break")

// reader is the state of who reads a connection. Where it stands, at most one of blind, line,
// skip, sink and carry is set; with none it is at the beginning of a line.
type reader struct {
	blind atomic.Bool // the protocol is not understood: all is nats.go's
	line  bool        // within a line that is nats.go's
	skip  int         // bytes still to come of a message that is nats.go's
	carry []byte      // the beginning of a line that may be a message's

	// Of a message that is taken and has arrived in part:
	sink    Sink
	message []byte // with its line break
	arrived int    // bytes of it

	err error // the broker breaks the protocol
}

// Read implements [net.Conn] for nats.go. It returns what is nats.go's.
func (c *conn) Read(b []byte) (int, error) {
	r := &c.in
	for r.err == nil {
		if r.sink != nil {
			n, err := c.Conn.Read(r.message[r.arrived:])
			if r.arrived += n; r.arrived == len(r.message) {
				r.deliver()
			}
			if err != nil {
				return 0, c.reason(err)
			}
			continue
		}
		if len(r.carry) >= len(b) { // nats.go reads 32 KiB at a time, and lines are shorter
			n := copy(b, r.carry)
			r.carry = r.carry[n:]
			r.blind.Store(true)
			return n, nil
		}
		held := copy(b, r.carry)
		r.carry = r.carry[:0]
		n, err := c.Conn.Read(b[held:])
		kept := r.scan(b[:held+n], c.lane)
		if err != nil {
			err = c.reason(err)
		}
		if kept > 0 || err != nil {
			return kept, err
		}
	}
	return 0, r.err
}

// deliver hands over the message that has arrived.
func (r *reader) deliver() {
	sink := r.sink
	payload, ok := bytes.CutSuffix(r.message, lineBreak)
	r.sink, r.message, r.arrived = nil, nil, 0
	if !ok {
		r.err = errMalformed
		return
	}
	sink.Receive(payload[:len(payload):len(payload)])
}

// scan takes messages out of b, and moves what is nats.go's to its beginning. It returns how
// much that is.
func (r *reader) scan(b []byte, l *Lane) int {
	kept, at := 0, 0
	keep := func(n int) {
		if kept != at {
			copy(b[kept:], b[at:at+n])
		}
		kept, at = kept+n, at+n
	}
	for at < len(b) && r.err == nil {
		rest := b[at:]
		if r.blind.Load() {
			keep(len(rest))
			break
		}
		if r.skip > 0 {
			n := min(r.skip, len(rest))
			r.skip -= n
			keep(n)
			continue
		}
		end := bytes.IndexByte(rest, '\n') + 1
		if r.line || strings.IndexByte("IP+-", rest[0]) >= 0 { // INFO, PING, PONG, +OK, -ERR
			if r.line = end == 0; r.line {
				end = len(rest)
			}
			keep(end)
			continue
		}
		if end == 0 {
			if len(rest) > maxLine {
				r.blind.Store(true)
				continue
			}
			r.carry = append(r.carry, rest...)
			break
		}
		m, ok := parse(rest[:end])
		if !ok {
			r.blind.Store(true)
			continue
		}
		if r.sink = m.sink(l); r.sink == nil {
			keep(end)
			r.skip = m.size + len(lineBreak)
			continue
		}
		at += end
		r.message = make([]byte, m.size+len(lineBreak))
		r.arrived = copy(r.message, b[at:])
		if at += r.arrived; r.arrived == len(r.message) {
			r.deliver()
		}
	}
	return kept
}
