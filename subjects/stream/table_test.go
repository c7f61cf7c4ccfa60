package stream

import (
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// scene is an endpoint with one live stream, number 7, on which "hello" has
// gone from the opener to the acceptor; the test plays the other side.
type scene struct {
	t        *testing.T
	e        *Endpoint
	p        *Peer
	l        *tape
	s        *Stream
	accepted int // streams that the handler was started for
}

func newScene(t *testing.T, opener bool) *scene {
	t.Helper()
	c := &scene{t: t}
	if opener {
		c.e, c.p, c.l = alone(t, Config{})
		c.p.numberFrom(7)
		s, err := c.e.Open(t.Context(), "other", []byte("hello"), false)
		if err != nil {
			t.Fatal(err)
		}
		c.s = s
		c.l.take()
		return c
	}
	ready := make(chan *Stream, 100)
	c.e, c.p, c.l = alone(t, Config{Handler: func(s *Stream) {
		ready <- s
		c.accepted++ // read after synctest.Wait
		<-s.Context().Done()
	}})
	c.e.Receive(c.p, data(open, 7, 0, "hello"))
	c.s = <-ready
	c.says()
	return c
}

// says waits for acknowledgements that may be delayed, and returns what was sent.
func (c *scene) says() string {
	time.Sleep(ackDelay + time.Millisecond)
	return c.l.says()
}

func long(n int) string { return strings.Repeat("x", n) }

// cut shortens a frame to n bytes.
func cut(m []byte, n int) []byte { return m[:n] }

// with changes a byte of a frame.
func with(m []byte, i int, b byte) []byte {
	m[i] = b
	return m
}

const (
	limit = subjects.InitialWindow
	max62 = 1 << 62
)

// rows are the rows of PROTOCOL.md, "Malformed and unexpected frames": what is
// sent to a scene, what it answers, and the state of stream 7 afterwards (0: it is
// open, or has ended well).
var rows = []struct {
	id     string
	opener bool // the side that is tested; otherwise the acceptor
	send   [][]byte
	want   string
	code   subjects.Code
	also   func(*scene)
}{
	{id: "F1", send: [][]byte{{}, {0x11}}},
	{id: "F2", send: [][]byte{data(0, 7, 5, long(subjects.MaxPayload+1))}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "F2", send: [][]byte{data(open, 8, 0, long(subjects.MaxPayload+1))}, want: "RESET 8 protocol-error"},
	{id: "F2", send: [][]byte{ack(make([]subjects.Ack, 2000)...)}},
	{id: "F3", send: [][]byte{with(data(0, 7, 5, "x"), 0, 0x21)}, want: "RESET 7 incompatible", code: subjects.CodeIncompatible},
	{id: "F3", send: [][]byte{with(data(open, 8, 0, "x"), 0, 0x01)}, want: "RESET 8 incompatible"},
	{id: "F3", send: [][]byte{with(ack(subjects.Ack{Stream: 7, Ack: 99}), 0, 0x22)}},
	{id: "F4", send: [][]byte{{0x10, 0}, append([]byte{0x17, 0, 0, 0, 0, 0, 0, 0, 0, 7}, long(200)...), {0x1f, 0xff}}},
	{id: "F5", send: [][]byte{cut(data(0, 7, 5, ""), 9)}},
	{id: "F5", send: [][]byte{cut(data(0, 7, 5, ""), 33)}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "F6", send: [][]byte{data(open, 0, 0, "x")}},
	{id: "F7", send: [][]byte{data(8, 7, 5, "x")}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "F7", send: [][]byte{data(open|8, 8, 0, "x")}, want: "RESET 8 protocol-error"},
	{id: "F8", send: [][]byte{data(0xf0, 7, 5, "x")}, want: "ACK 7 to 6"},
	{id: "F9", send: [][]byte{data(open, 7, 5, "x")}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "F10", send: [][]byte{data(open, 8, 0, "")}, want: "RESET 8 protocol-error"},
	{id: "F11", send: [][]byte{data(subjects.DataTrailer, 7, 5, "x")}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "F11", send: [][]byte{data(open|fin|subjects.DataTrailer, 8, 0, "x")}, want: "RESET 8 protocol-error"},
	{id: "F12", send: [][]byte{data(fin|subjects.DataTrailer, 7, 5, long(subjects.MaxTrailer+1))}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "F13", send: [][]byte{data(0, 7, max62+1, "x")}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "F13", send: [][]byte{dataAck(0, 7, 5, 0, max62+1, "x")}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "F14", send: [][]byte{data(0, 7, limit, "x")}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "F15", send: [][]byte{data(fin, 7, 5, ""), data(0, 7, 5, "more")}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "F16", send: [][]byte{dataAck(0, 7, 5, 1, limit, "x")}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "F17", send: [][]byte{data(0, 7, 8, "later"), data(0, 7, 13, "later")}, want: "ACK 7 to 5 gap", also: func(c *scene) {
		c.e.Receive(c.p, data(0, 7, 18, "later"))
		if got := c.says(); got != "ACK 7 to 5 gap" {
			c.t.Errorf("the gap was reported as %q after a pause", got)
		}
		c.reads("hello")
	}},
	{id: "F18", send: [][]byte{data(0, 7, 0, "he")}, want: "ACK 7 to 5", also: func(c *scene) { c.reads("hello") }},
	{id: "F19", send: [][]byte{data(0, 7, 3, "lo, you")}, want: "ACK 7 to 10", also: func(c *scene) { c.reads("hello, you") }},
	{id: "F20", send: [][]byte{data(open, 7, 0, "hello")}, want: "ACK 7 to 5", also: func(c *scene) {
		if c.accepted != 1 {
			c.t.Errorf("the handler was started %d times", c.accepted)
		}
	}},
	{id: "F21", send: [][]byte{reset(7, subjects.CodeCanceled), data(open, 7, 0, "hello")}, want: "ACK 7 closed; ACK 7 closed", code: subjects.CodeCanceled},
	{id: "F22", send: [][]byte{data(0, 8, 5, "x")}, want: "ACK 8 unknown"},
	{id: "F23", opener: true, send: [][]byte{data(open, 8, 0, "x")}, want: "ACK 8 closed"},
	{id: "F24", opener: true, send: [][]byte{data(0, 8, 5, "x")}, want: "ACK 8 closed"},
	{id: "F25", send: [][]byte{data(8, 7, 5, "x"), data(0, 7, 6, "x")}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol, also: func(c *scene) {
		c.e.Receive(c.p, data(0, 7, 6, "x"))
		if got := c.says(); got != "RESET 7 protocol-error" {
			c.t.Errorf("answered %q to what still comes", got)
		}
		c.e.Receive(c.p, ack(subjects.Ack{Stream: 7, Flags: subjects.AckClosed}))
		c.e.Receive(c.p, data(0, 7, 6, "x"))
		if got := c.says(); got != "ACK 7 closed" {
			c.t.Errorf("answered %q once the reset was confirmed", got)
		}
	}},
	{id: "F26", also: func(c *scene) {
		c.e.Refuse(subjects.CodeDraining)
		c.e.Receive(c.p, data(open|fin, 8, 0, "x"))
		c.e.Refuse(0)
		time.Sleep(ackDelay)
		c.e.Receive(c.p, data(open|fin, 8, 0, "x"))
		if got := c.says(); got != "RESET 8 draining; RESET 8 draining" || c.accepted != 1 {
			c.t.Errorf("answered %q, %d handlers", got, c.accepted)
		}
	}},
	{id: "F27", send: [][]byte{subjects.AppendPing(nil, subjects.FramePing, subjects.Ping{Nonce: 1, Floor: 10}), data(open|fin, 9, 0, "x")}, want: "PONG 1; ACK 9 closed"},

	{id: "A1", opener: true, send: [][]byte{append(ack(subjects.Ack{Stream: 7, Flags: subjects.AckClosed}), 0)}},
	{id: "A2", opener: true, send: [][]byte{ack(subjects.Ack{Stream: 8, Ack: 99}, subjects.Ack{Flags: subjects.AckUnknown})}},
	{id: "A3", opener: true, send: [][]byte{ack(subjects.Ack{Stream: 7, Ack: 6, Limit: limit})}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "A4", opener: true, send: [][]byte{ack(subjects.Ack{Stream: 7, Ack: 5}, subjects.Ack{Stream: 7, Limit: 1})}, also: func(c *scene) {
		c.hasCredit(5, limit)
	}},
	{id: "A4", opener: true, send: [][]byte{ack(subjects.Ack{Stream: 7, Ack: 3}), ack(subjects.Ack{Stream: 7, Ack: 2, Flags: subjects.AckGap})}},
	{id: "A5", opener: true, send: [][]byte{ack(subjects.Ack{Stream: 7, Ack: 5, Limit: max62})}, also: func(c *scene) {
		c.hasCredit(5, 5+subjects.MaxWindow)
	}},
	{id: "A6", opener: true, send: [][]byte{ack(subjects.Ack{Stream: 7, Ack: 5, Limit: limit, Flags: 0xf0})}, also: func(c *scene) {
		c.hasCredit(5, limit)
	}},
	{id: "A7", opener: true, send: [][]byte{ack(subjects.Ack{Stream: 7, Flags: subjects.AckClosed})}, code: subjects.CodeUnknownOutcome},
	{id: "A8", send: [][]byte{ack(subjects.Ack{Stream: 7, Flags: subjects.AckClosed})}, code: subjects.CodeCanceled},
	{id: "A9", opener: true, send: [][]byte{dataAck(fin, 7, 0, 5, limit, "all"), ack(subjects.Ack{Stream: 7, Flags: subjects.AckClosed})}, want: "ACK 7 to 4", also: func(c *scene) {
		c.reads("all")
		if _, err := c.s.Read(make([]byte, 1)); err != io.EOF {
			c.t.Errorf("after the end: %v", err)
		}
	}},
	{id: "A10", opener: true, send: [][]byte{ack(subjects.Ack{Stream: 7, Flags: subjects.AckUnknown})}, want: "DATA 7 at 0: 5 bytes OPEN"},
	{id: "A11", opener: true, send: [][]byte{ack(subjects.Ack{Stream: 7, Ack: 5}), ack(subjects.Ack{Stream: 7, Flags: subjects.AckUnknown})}, also: func(c *scene) {
		time.Sleep(probeAfter + scanInterval)
		if got := c.says(); got != "PROBE 7 sent 5" {
			c.t.Errorf("said %q, want a question", got)
		}
		c.e.Receive(c.p, ack(subjects.Ack{Stream: 7, Flags: subjects.AckUnknown}))
		if got := subjects.CodeOf(c.s.Err()); got != subjects.CodeUnknownOutcome {
			c.t.Errorf("the stream ended with %v, want outcome-unknown", got)
		}
	}},
	{id: "A12", send: [][]byte{ack(subjects.Ack{Stream: 7, Flags: subjects.AckUnknown})}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "A13", opener: true, send: [][]byte{ack(subjects.Ack{Stream: 7, Flags: subjects.AckStop})}, also: func(c *scene) {
		if _, err := c.s.Write([]byte("x")); !errors.Is(err, ErrStopped) {
			c.t.Errorf("write gave %v", err)
		}
	}},
	{id: "A14", opener: true, send: [][]byte{ack(subjects.Ack{Stream: 7, Flags: subjects.AckGap}), ack(subjects.Ack{Stream: 7, Flags: subjects.AckGap})}, want: "DATA 7 at 0: 5 bytes OPEN"},
	{id: "A14", opener: true, send: [][]byte{ack(subjects.Ack{Stream: 7, Ack: 5, Flags: subjects.AckGap})}},

	{id: "P1", send: [][]byte{append(probe(subjects.Probe{Stream: 7, Ack: 9}), 0)}},
	{id: "P2", send: [][]byte{probe(subjects.Probe{Stream: 8, Sent: 5})}, want: "ACK 8 unknown"},
	{id: "P2", opener: true, send: [][]byte{probe(subjects.Probe{Stream: 8, Sent: 5})}, want: "ACK 8 closed"},
	{id: "P2", send: [][]byte{data(8, 7, 5, "x"), probe(subjects.Probe{Stream: 7})}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "P3", send: [][]byte{probe(subjects.Probe{Stream: 7, Sent: 9, Limit: limit})}, want: "ACK 7 to 5 gap"},
	{id: "P3", send: [][]byte{probe(subjects.Probe{Stream: 7, Sent: 5, Limit: limit})}, want: "ACK 7 to 5"},
	{id: "P4", send: [][]byte{probe(subjects.Probe{Stream: 7, Ack: 1, Limit: limit})}, want: "RESET 7 protocol-error", code: subjects.CodeProtocol},
	{id: "P5", opener: true, send: [][]byte{probe(subjects.Probe{Stream: 7})}, want: "ACK 7 to 0; PROBE 7 sent 5", also: func(c *scene) {
		c.e.Receive(c.p, probe(subjects.Probe{Stream: 7}))
		if got := c.says(); got != "ACK 7 to 0" {
			c.t.Errorf("asked again at once: %q", got)
		}
	}},

	{id: "R1", send: [][]byte{cut(reset(7, subjects.CodeCanceled), 11)}},
	{id: "R2", send: [][]byte{reset(8, subjects.CodeCanceled), data(open|fin, 8, 0, "late")}, want: "ACK 8 closed; ACK 8 closed", also: func(c *scene) {
		if c.accepted != 1 {
			c.t.Error("executed after its reset")
		}
	}},
	{id: "R3", send: [][]byte{reset(7, 4242)}, want: "ACK 7 closed", code: 4242},
	{id: "R4", send: [][]byte{append(reset(7, subjects.CodeShutdown), long(4000)+"\xff\xfe"...)}, want: "ACK 7 closed", code: subjects.CodeShutdown, also: func(c *scene) {
		var re *subjects.ResetError
		if !errors.As(c.s.Err(), &re) || len(re.Detail) != subjects.MaxDetail || !re.Remote {
			c.t.Errorf("cause %v", c.s.Err())
		}
	}},
	{id: "R5", opener: true, send: [][]byte{dataAck(fin, 7, 0, 5, limit, "all"), reset(7, subjects.CodeShutdown)}, want: "ACK 7 closed", code: subjects.CodeShutdown, also: func(c *scene) {
		c.reads("all")
		if _, err := c.s.Read(make([]byte, 1)); err != io.EOF {
			c.t.Errorf("after the end: %v", err)
		}
	}},
	{id: "R6", send: [][]byte{data(0, 7, 5, ", you"), reset(7, subjects.CodeCanceled)}, want: "ACK 7 closed", code: subjects.CodeCanceled, also: func(c *scene) {
		c.reads("hello, you")
		if _, err := c.s.Read(make([]byte, 1)); subjects.CodeOf(err) != subjects.CodeCanceled {
			c.t.Errorf("read gave %v", err)
		}
	}},

	{id: "G1", send: [][]byte{cut(subjects.AppendPing(nil, subjects.FramePing, subjects.Ping{Nonce: 5}), 17)}},
	{id: "G2", send: [][]byte{append(subjects.AppendPing(nil, subjects.FramePing, subjects.Ping{Nonce: 5}), "new field"...)}, want: "PONG 5"},
	{id: "G3", send: slices.Repeat([][]byte{subjects.AppendPing(nil, subjects.FramePing, subjects.Ping{Nonce: 5})}, 3), want: "PONG 5; PONG 5; PONG 5"},
	{id: "G4", opener: true, send: [][]byte{subjects.AppendPing(nil, subjects.FramePong, subjects.Ping{Nonce: 1 << 60}), subjects.AppendPing(nil, subjects.FramePong, subjects.Ping{Nonce: 1 << 63})}, also: func(c *scene) {
		if d := c.p.rtt.Min(); d != 0 {
			c.t.Errorf("round trip taken as %v", time.Duration(d))
		}
	}},
	{id: "G5", send: [][]byte{with(subjects.AppendPing(nil, subjects.FramePing, subjects.Ping{Nonce: 5}), 1, 0xff), with(ack(subjects.Ack{Stream: 7}), 1, 0xff)}, want: "PONG 5"},
}

func (c *scene) reads(want string) {
	c.t.Helper()
	b := make([]byte, len(want))
	_ = c.s.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := io.ReadFull(c.s, b); err != nil || string(b) != want {
		c.t.Errorf("read %q, %v; want %q", b, err, want)
	}
}

// hasCredit checks what the peer has acknowledged and the credit it has given.
func (c *scene) hasCredit(acked, limit uint64) {
	c.t.Helper()
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if h := &c.s.send; h.Acked != acked || h.Limit != limit {
		c.t.Errorf("acknowledged %d, limit %d; want %d and %d", h.Acked, h.Limit, acked, limit)
	}
}

func TestMalformedAndUnexpectedFrames(t *testing.T) {
	for _, r := range rows {
		side := "acceptor"
		if r.opener {
			side = "opener"
		}
		t.Run(r.id+"/"+side, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newScene(t, r.opener)
				defer c.e.Close()
				for _, m := range r.send {
					c.e.Receive(c.p, m)
					synctest.Wait() // answers in the order of their causes
				}
				if got := c.says(); got != r.want {
					t.Errorf("answered %q, want %q", got, r.want)
				}
				if got := subjects.CodeOf(c.s.Err()); got != r.code {
					t.Errorf("the stream ended with %v, want %v", got, r.code)
				}
				if r.also != nil {
					r.also(c)
				}
				if r.code != 0 {
					return
				}
				// Whatever it was, other streams are unharmed.
				if r.opener {
					s, err := c.e.Open(t.Context(), "other", []byte("x"), true)
					if err != nil {
						t.Fatal(err)
					}
					c.e.Receive(c.p, dataAck(fin, s.ID(), 0, 2, limit, "fine"))
					if got, err := io.ReadAll(s); string(got) != "fine" || err != nil {
						t.Errorf("another stream: %q, %v", got, err)
					}
				} else {
					before := c.accepted
					c.e.Receive(c.p, data(open|fin, 1000, 0, "x"))
					synctest.Wait()
					if c.accepted != before+1 {
						t.Error("another stream is not served")
					}
				}
			})
		})
	}
}

// TestEveryRowIsTested holds PROTOCOL.md and the table above together.
func TestEveryRowIsTested(t *testing.T) {
	doc, err := os.ReadFile("../PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	documented, tested := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([FAPRG][0-9]+) \|`).FindAllSubmatch(doc, -1) {
		documented[string(m[1])] = true
	}
	for _, r := range rows {
		tested[r.id] = true
		if !documented[r.id] {
			t.Errorf("row %s is not in PROTOCOL.md", r.id)
		}
	}
	for id := range documented {
		if !tested[id] {
			t.Errorf("row %s of PROTOCOL.md is not tested", id)
		}
	}
}
