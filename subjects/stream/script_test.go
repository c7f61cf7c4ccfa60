package stream

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/fairlead-io/fairlead/subjects"
)

// tape is a Link that writes down what is sent, for tests that play the peer
// themselves.
type tape struct {
	mu   sync.Mutex
	msgs [][]byte
}

func (l *tape) Send(_ string, msg []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.msgs = append(l.msgs, append([]byte(nil), msg...))
	return nil
}

func (l *tape) SendOpen(to string, _ uint64, msg []byte) error { return l.Send(to, msg) }

// take waits until the endpoint has nothing more to do at this moment, and
// returns what it has sent since the last call. It must run in a bubble.
func (l *tape) take() [][]byte {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.msgs
	l.msgs = nil
	return t
}

// says is take in words; pings are left out, which come whenever there are
// streams.
func (l *tape) says() string {
	var all []string
	for _, m := range l.take() {
		if s := describe(m); s != "" {
			all = append(all, s)
		}
	}
	return strings.Join(all, "; ")
}

// describe says what is in a frame: type, stream, and what matters.
func describe(m []byte) string {
	t, err := subjects.ParseType(m)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	switch t {
	case subjects.FrameData:
		d, payload, err := subjects.ParseData(m)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "DATA %d at %d: %d bytes", d.Stream, d.Offset, len(payload))
		for f, name := range map[uint8]string{subjects.DataOpen: " OPEN", subjects.DataFin: " FIN", subjects.DataTrailer: " TRAILER"} {
			if d.Flags&f != 0 {
				b.WriteString(name)
			}
		}
	case subjects.FrameAck:
		_ = subjects.ParseAcks(m, func(a subjects.Ack) {
			if b.Len() > 0 {
				b.WriteString("; ")
			}
			fmt.Fprintf(&b, "ACK %d", a.Stream)
			switch {
			case a.Flags&subjects.AckClosed != 0:
				b.WriteString(" closed")
			case a.Flags&subjects.AckUnknown != 0:
				b.WriteString(" unknown")
			case a.Flags&subjects.AckStop != 0:
				b.WriteString(" stop")
			default:
				fmt.Fprintf(&b, " to %d", a.Ack)
				if a.Flags&subjects.AckGap != 0 {
					b.WriteString(" gap")
				}
			}
		})
	case subjects.FrameProbe:
		_ = subjects.ParseProbes(m, func(q subjects.Probe) {
			if b.Len() > 0 {
				b.WriteString("; ")
			}
			fmt.Fprintf(&b, "PROBE %d sent %d", q.Stream, q.Sent)
		})
	case subjects.FrameReset:
		id, code, _, _ := subjects.ParseReset(m)
		fmt.Fprintf(&b, "RESET %d %s", id, code)
	case subjects.FramePing:
		return ""
	case subjects.FramePong:
		g, _ := subjects.ParsePing(m)
		fmt.Fprintf(&b, "PONG %d", g.Nonce)
	default:
		return t.String()
	}
	return b.String()
}

// data makes a DATA frame with the initial window as credit.
func data(flags uint8, id, offset uint64, payload string) []byte {
	return dataAck(flags, id, offset, 0, subjects.InitialWindow, payload)
}

func dataAck(flags uint8, id, offset, ack, limit uint64, payload string) []byte {
	b := make([]byte, subjects.DataHeaderLen+len(payload))
	subjects.PutData(b, subjects.Data{Flags: flags, Stream: id, Offset: offset, Ack: ack, Limit: limit})
	copy(b[subjects.DataHeaderLen:], payload)
	return b
}

func ack(a ...subjects.Ack) []byte     { return subjects.AppendAcks(nil, a) }
func probe(q ...subjects.Probe) []byte { return subjects.AppendProbes(nil, q) }
func reset(id uint64, c subjects.Code) []byte {
	return subjects.AppendReset(nil, id, c, "")
}

// alone is an endpoint whose peer the test plays. The endpoint is closed when
// the test ends.
func alone(t testing.TB, cfg Config) (*Endpoint, *Peer, *tape) {
	t.Helper()
	l := &tape{}
	e := New(cfg, l)
	return e, e.AddPeer("other"), l
}

// numberFrom has the next streams numbered from id.
func (p *Peer) numberFrom(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nextID = id
}

const (
	open = subjects.DataOpen
	fin  = subjects.DataFin
)
