package stream

import (
	"encoding/binary"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// FuzzReceive plays an arbitrary peer to an opener and to an acceptor, each
// with live streams, while their own sides read, write, close and lose the
// link. Whatever comes must not panic, not block, stay within its memory, leave
// another stream unharmed and nothing behind.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 0, 7, 5, 3, 0, 0})                       // more bytes of stream 7
	f.Add([]byte{0, 1, 2, 7, 5, 0, 0, 0, 6, 40})                // its end, and a pause
	f.Add([]byte{1, 1, 2, 7, 0, 9, 5, 0, 1, 4, 7, 17})          // a response, then a reset
	f.Add([]byte{0, 1, 0, 7, 200, 9, 0, 0, 0, 3, 7, 250, 0, 4}) // a gap, and a probe
	f.Add([]byte{1, 2, 7, 0, 4, 8, 1, 2, 7, 5, 9, 4})           // unknown, then closed
	f.Add([]byte{7, 0, 7, 1, 0, 5, 1, 9, 7, 4, 6, 250, 7, 5})   // writes, pings, a cut
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 1024 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			g := newGame(t, script)
			for g.next() {
			}
			g.finish()
		})
	})
}

// game is a fuzzed scene of both sides.
type game struct {
	t      *testing.T
	script []byte
	sides  [2]*scene // acceptor, opener
	stop   chan struct{}
	slept  time.Duration
}

// witness is the id of the stream that must stay unharmed.
const witness = 1 << 60

func newGame(t *testing.T, script []byte) *game {
	g := &game{t: t, script: script, stop: make(chan struct{})}
	cfg := Config{MaxStreams: 8}
	o := &scene{t: t}
	o.e, o.p, o.l = alone(t, cfg)
	o.p.numberFrom(7)
	cfg.Handler = func(s *Stream) {
		b, err := s.Next()
		if err != nil {
			return
		}
		if s.id == witness {
			_ = s.WriteFinal(b)
			return
		}
		if s.id%2 == 0 {
			echo(s)
			return
		}
		<-g.stop
	}
	a := &scene{t: t}
	a.e, a.p, a.l = alone(t, cfg)
	a.e.Receive(a.p, data(open, 7, 0, "hello"))
	synctest.Wait()
	a.s = a.p.lookup(7)
	s, err := o.e.Open(t.Context(), "other", []byte("hello"), false)
	if err != nil {
		t.Fatal(err)
	}
	o.s = s
	g.sides = [2]*scene{a, o}
	return g
}

// byte takes the next byte of the script, 0 at its end.
func (g *game) byte() byte {
	if len(g.script) == 0 {
		return 0
	}
	b := g.script[0]
	g.script = g.script[1:]
	return b
}

// number takes one that is small, near a window's edge, or anything.
func (g *game) number() uint64 {
	b := g.byte()
	switch {
	case b < 200:
		return uint64(b)
	case b < 220:
		return limit - 210 + uint64(b)
	case b < 240:
		return subjects.MaxWindow + uint64(b)
	}
	var raw [8]byte
	n := copy(raw[:], g.script)
	g.script = g.script[n:]
	return binary.BigEndian.Uint64(raw[:])
}

func (g *game) take(n int) []byte {
	n = min(n, len(g.script))
	b := append([]byte(nil), g.script[:n]...)
	g.script = g.script[n:]
	return b
}

// id takes a stream id other than the witness's.
func (g *game) id() uint64 { return g.number() &^ witness }

// next plays one step.
func (g *game) next() bool {
	if len(g.script) == 0 {
		return false
	}
	which := g.byte()
	c := g.sides[which&1]
	var m []byte
	switch kind := g.byte() % 8; kind {
	case 0:
		m = g.take(int(g.byte()))
		if id, ok := subjects.ParseStream(m); ok && id == witness || raises(m) {
			return true
		}
	case 1:
		flags := g.byte()
		id, offset, n := g.id(), g.number(), int(g.number()%(subjects.MaxPayload+2))
		m = dataAck(flags, id, offset, g.number(), g.number(), long(n))
	case 2:
		m = ack(subjects.Ack{Stream: g.id(), Ack: g.number(), Limit: g.number(), Flags: g.byte()})
	case 3:
		m = probe(subjects.Probe{Stream: g.id(), Sent: g.number(), Ack: g.number(), Limit: g.number()})
	case 4:
		m = reset(g.id(), subjects.Code(g.byte()))
	case 5:
		m = subjects.AppendPing(nil, subjects.FramePing+subjects.FrameType(g.byte()&1),
			subjects.Ping{Nonce: g.number(), Floor: g.number() % witness})
	case 6:
		g.pause(g.byte())
		return true
	case 7:
		g.local(c, g.byte())
		return true
	}
	c.e.Receive(c.p, m)
	if which&2 != 0 {
		synctest.Wait()
	}
	g.check(c)
	return true
}

// pause lets some time pass: milliseconds mostly, now and then long enough for
// peers to be presumed dead. A script has a minute in all, since each tick of
// the clocks takes its time.
func (g *game) pause(b byte) {
	d := time.Duration(b) * 2 * time.Millisecond
	if b >= 250 {
		d = 15 * time.Second
	}
	if g.slept+d <= time.Minute {
		g.slept += d
		time.Sleep(d)
	}
}

// raises reports whether a raw ping would declare the witness's id used, which
// an opener may.
func raises(m []byte) bool {
	if t, err := subjects.ParseType(m); err != nil || t != subjects.FramePing {
		return false
	}
	p, err := subjects.ParsePing(m)
	return err == nil && p.Floor > witness
}

// local is what the tested side itself does meanwhile. Writes get a deadline, since
// their bytes may never be taken.
func (g *game) local(c *scene, what byte) {
	if c.s == nil {
		return
	}
	soon := time.Now().Add(50 * time.Millisecond)
	switch what % 10 {
	case 0:
		_ = c.s.SetWriteDeadline(soon)
		_, _ = c.s.Write([]byte(long(int(what) * 500)))
	case 1:
		_ = c.s.CloseWrite()
	case 2:
		c.s.StopReading()
	case 3:
		_ = c.s.SetReadDeadline(soon)
		_, _ = io.CopyN(io.Discard, readerOnly{c.s}, int64(what)*200)
	case 4:
		c.e.LinkDown()
	case 5:
		c.e.LinkUp()
	case 6:
		c.s.Reset(subjects.CodeCanceled, "")
	case 7:
		c.e.Refuse(subjects.CodeDraining)
	case 8:
		c.e.Refuse(0)
	case 9:
		_ = c.s.CloseWriteTrailer([]byte("trailer"))
	}
}

// check holds what a peer can fill to its bounds.
func (g *game) check(c *scene) {
	streams := c.p.snapshot()
	if len(streams) > 8 {
		g.t.Fatalf("%d streams, MaxStreams is 8", len(streams))
	}
	for _, s := range streams {
		s.mu.Lock()
		kept := 0
		for _, f := range s.send.kept {
			kept += cap(f.Buf)
		}
		if s.recv.buffered > subjects.InitialWindow {
			g.t.Errorf("stream %d holds %d received bytes", s.id, s.recv.buffered)
		}
		if len(s.recv.queue)-s.recv.head > subjects.InitialWindow>>10+16 {
			g.t.Errorf("stream %d holds %d pieces", s.id, len(s.recv.queue)-s.recv.head)
		}
		if kept > 2*subjects.MaxWindow {
			g.t.Errorf("stream %d keeps %d sent bytes", s.id, kept)
		}
		s.mu.Unlock()
	}
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	w := &c.p.work
	if n := max(len(w.acks), len(w.probes), len(w.resets)); n > maxQueued || len(w.unconfirmed) > subjects.MaxStreams {
		g.t.Errorf("%d entries queued, %d resets unconfirmed", n, len(w.unconfirmed))
	}
}

// finish shows that another stream works on each side and that nothing is
// left once all streams have ended.
func (g *game) finish() {
	a, o := g.sides[0], g.sides[1]
	for _, c := range g.sides {
		c.e.Refuse(0)
		c.e.LinkUp()
		for _, s := range c.p.snapshot() { // room for one more
			s.Close()
		}
		c.l.take()
	}
	close(g.stop)
	synctest.Wait() // handlers end
	a.e.Receive(a.p, data(open|fin, witness, 0, "unharmed"))
	answered := false
	for _, m := range a.l.take() {
		if d, payload, err := subjects.ParseData(m); err == nil && d.Stream == witness {
			answered = answered || string(payload) == "unharmed"
		}
	}
	if !answered {
		g.t.Error("the acceptor does not serve another stream")
	}
	a.e.Receive(a.p, ack(subjects.Ack{Stream: witness, Ack: 9, Limit: limit}))

	s, err := o.e.Open(g.t.Context(), "other", []byte("x"), true)
	if err != nil {
		g.t.Fatalf("the opener opens no other stream: %v", err)
	}
	o.e.Receive(o.p, dataAck(fin, s.ID(), 0, 2, limit, "unharmed"))
	_ = s.SetReadDeadline(time.Now().Add(time.Second))
	if got, err := io.ReadAll(s); string(got) != "unharmed" || err != nil {
		g.t.Errorf("another stream of the opener: %q, %v", got, err)
	}
	s.Close()
	for i, c := range g.sides {
		c.e.Close()
		c.p.mu.Lock()
		if n, b := c.e.Streams(), c.p.budget; n != 0 || b.used != 0 || len(b.waiters) != 0 || c.e.grown.Load() != 0 || c.e.pool.Running() != 0 {
			g.t.Errorf("side %d leaves %d streams, %d bytes of budget, %d waiters, %d grown, %d handlers",
				i, n, b.used, len(b.waiters), c.e.grown.Load(), c.e.pool.Running())
		}
		c.p.mu.Unlock()
	}
}
