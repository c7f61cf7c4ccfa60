package stream

import (
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// faults says how a wire misbehaves. The zero value is a perfect wire.
type faults struct {
	delay     time.Duration
	jitter    time.Duration // of the delay; order is kept all the same
	drop      float64       // share of messages lost
	duplicate float64       // share delivered twice
}

// wire is one direction of an in-memory link: order is kept while it is up.
type wire struct {
	mu      sync.Mutex
	cond    *sync.Cond
	faults  faults
	rng     *rand.Rand
	queue   []parcel
	last    time.Time // delivery time of the last parcel of this connection
	down    bool
	closed  bool
	sent    int
	bytes   int
	acked   map[uint64]uint64 // what the sender knows to have arrived, by stream
	large   int               // unacknowledged payload bytes of large DATA frames in queue
	most    int               // and the most that there ever were
	deliver func([]byte)
	lose    func([]byte) bool // says which messages are lost; nil loses none
}

type parcel struct {
	at  time.Time
	msg []byte
}

var errDown = errors.New("link down")

func newWire(f faults, seed uint64) *wire {
	w := &wire{faults: f, rng: rand.New(rand.NewPCG(seed, 7))}
	w.cond = sync.NewCond(&w.mu)
	return w
}

func (w *wire) send(msg []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent++
	w.bytes += len(msg)
	if w.down || w.closed {
		return errDown
	}
	if w.rng.Float64() < w.faults.drop || w.lose != nil && w.lose(msg) {
		return nil
	}
	n := 1
	if w.rng.Float64() < w.faults.duplicate {
		n = 2
	}
	for range n {
		d := w.faults.delay
		if w.faults.jitter > 0 {
			d += time.Duration(w.rng.Int64N(int64(w.faults.jitter)))
		}
		at := time.Now().Add(d)
		if at.Before(w.last) {
			at = w.last
		}
		w.last = at
		// Deliveries are kept sorted: what an old connection still holds may
		// come between those of a new one.
		i := len(w.queue)
		for i > 0 && w.queue[i-1].at.After(at) {
			i--
		}
		w.queue = append(w.queue, parcel{})
		copy(w.queue[i+1:], w.queue[i:])
		w.queue[i] = parcel{at, append([]byte(nil), msg...)}
		w.large += w.unacked(msg)
		w.most = max(w.most, w.large)
	}
	w.cond.Signal()
	return nil
}

// cut loses what is on the way, but for late messages that arrive after delay,
// overtaken by those of the next connection.
func (w *wire) cut(late int, delay time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	keep := w.queue[:min(late, len(w.queue))]
	w.queue, w.large = nil, 0
	for _, p := range keep {
		w.queue = append(w.queue, parcel{p.at.Add(delay), p.msg})
		w.large += w.unacked(p.msg)
	}
	w.last = time.Time{}
	w.cond.Signal()
}

func (w *wire) restore() {
	w.mu.Lock()
	w.down = false
	w.mu.Unlock()
}

// losing has the wire lose the messages that f chooses, from now on.
func (w *wire) losing(f func([]byte) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose = f
}

// large returns the payload's length of a DATA frame that has more than a small
// one's, its stream and its end; 0 for every other message.
func large(msg []byte) (n int, stream, end uint64) {
	if t, err := subjects.ParseType(msg); err != nil || t != subjects.FrameData {
		return 0, 0, 0
	}
	if d, payload, err := subjects.ParseData(msg); err == nil && len(payload) > smallFrame {
		return len(payload), d.Stream, d.Offset + uint64(len(payload))
	}
	return 0, 0, 0
}

// unacked is large for what the sender does not know to have arrived. The
// caller holds mu.
func (w *wire) unacked(msg []byte) int {
	n, stream, end := large(msg)
	if n == 0 || end <= w.acked[stream] {
		return 0
	}
	return n
}

// acknowledge takes a message that its sender is about to receive from the
// other side: copies of what it acknowledges do not count any longer.
func (w *wire) acknowledge(msg []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.acked == nil {
		w.acked = make(map[uint64]uint64)
	}
	note := func(stream, ack uint64) { w.acked[stream] = max(w.acked[stream], ack) }
	switch t, _ := subjects.ParseType(msg); t {
	case subjects.FrameData:
		if d, _, err := subjects.ParseData(msg); err == nil {
			note(d.Stream, d.Ack)
		}
	case subjects.FrameAck:
		_ = subjects.ParseAcks(msg, func(a subjects.Ack) {
			if a.Flags&(subjects.AckClosed|subjects.AckStop) != 0 {
				a.Ack = math.MaxUint64
			}
			note(a.Stream, a.Ack)
		})
	case subjects.FrameProbe:
		_ = subjects.ParseProbes(msg, func(q subjects.Probe) { note(q.Stream, q.Ack) })
	}
	w.large = 0
	for _, p := range w.queue {
		w.large += w.unacked(p.msg)
	}
}

// peak returns the most bytes in large frames that were ever on their way and
// unacknowledged at once, each copy counted.
func (w *wire) peak() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}

func (w *wire) counts() (sent, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent, w.bytes
}

func (w *wire) run() {
	for {
		w.mu.Lock()
		for len(w.queue) == 0 && !w.closed {
			w.cond.Wait()
		}
		if w.closed {
			w.mu.Unlock()
			return
		}
		p := w.queue[0]
		if d := time.Until(p.at); d > 0 {
			w.mu.Unlock()
			time.Sleep(d) // the wire's own delay, in the bubble's time
			continue
		}
		w.queue = w.queue[1:]
		w.large -= w.unacked(p.msg)
		w.mu.Unlock()
		w.deliver(p.msg)
	}
}

func (w *wire) close() {
	w.mu.Lock()
	w.closed = true
	w.cond.Broadcast()
	w.mu.Unlock()
}

// pair is an opener and an acceptor with a wire each way.
type pair struct {
	opener, acceptor *Endpoint
	down, up         *wire // opener to acceptor, and back
	wg               sync.WaitGroup
}

type wireLink struct{ w *wire }

func (l wireLink) Send(_ string, msg []byte) error               { return l.w.send(msg) }
func (l wireLink) SendOpen(_ string, _ uint64, msg []byte) error { return l.w.send(msg) }

func newPair(t testing.TB, cfg Config, f faults, handler func(*Stream)) *pair {
	t.Helper()
	p := &pair{down: newWire(f, 1), up: newWire(f, 2)}
	p.opener = New(cfg, wireLink{p.down})
	cfg.Handler = handler
	p.acceptor = New(cfg, wireLink{p.up})
	p.connect()
	return p
}

// connect has the wires deliver to the endpoints.
func (p *pair) connect() {
	p.down.deliver = func(b []byte) {
		p.up.acknowledge(b)
		p.acceptor.Receive(p.acceptor.AddPeer("bridge"), b)
	}
	p.up.deliver = func(b []byte) {
		p.down.acknowledge(b)
		if peer := p.opener.Peer("agent"); peer != nil {
			p.opener.Receive(peer, b)
		}
	}
	p.wg.Go(p.down.run)
	p.wg.Go(p.up.run)
}

// cut breaks the link for both sides; they learn of it as they would from NATS.
func (p *pair) cut(late int, delay time.Duration) {
	p.opener.LinkDown()
	p.acceptor.LinkDown()
	p.down.cut(late, delay)
	p.up.cut(late, delay)
}

func (p *pair) restore() {
	p.down.restore()
	p.up.restore()
	p.opener.LinkUp()
	p.acceptor.LinkUp()
}

func (p *pair) close() {
	p.opener.Close()
	p.acceptor.Close()
	p.down.close()
	p.up.close()
	p.wg.Wait()
}

// empty fails unless both sides have forgotten every stream within the time
// that finishing takes.
func (p *pair) empty(t testing.TB) {
	t.Helper()
	for range 1200 {
		if p.opener.Streams() == 0 && p.acceptor.Streams() == 0 {
			return
		}
		time.Sleep(25 * time.Millisecond) // bubble time
	}
	t.Errorf("streams left after 30 s: opener %d, acceptor %d", p.opener.Streams(), p.acceptor.Streams())
}
