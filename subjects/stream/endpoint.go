package stream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/idset"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/wait"
	"github.com/fairlead-io/fairlead/subjects/stream/internal/workers"
)

// Endpoint is one process's end of all its streams over one link. It is safe
// for concurrent use.
type Endpoint struct {
	cfg   Config
	link  Link
	start time.Time
	stats stats
	out   outbox
	pool  *workers.Pool[*Stream] // runs the handlers

	mu      sync.RWMutex // guards peers, firstID
	peers   map[string]*Peer
	firstID uint64 // above every id used with a forgotten peer

	spans idset.Pool // shared by the peers' sets of ids

	closed atomic.Bool   // set before Close collects the open streams
	open   atomic.Int64  // streams in all tables
	idle   chan struct{} // a token once open has come to 0
	grown  atomic.Int64  // bytes by which all windows together have grown
	most   atomic.Int64  // accepted streams that may be open: MaxStreams of the configuration, or of SetMaxStreams
	refuse atomic.Int32  // subjects.Code with which new streams are refused; 0: they are accepted
	// downSince is when the link went down, endpoint nanoseconds; 0 while up.
	// While it is down nothing is handed to the link, whose Send might block.
	downSince atomic.Int64
	// upSince is the time since which this endpoint could hear its peers.
	upSince atomic.Int64

	done chan struct{}
	wg   sync.WaitGroup
}

// New returns an endpoint on link, which is assumed to be up.
func New(cfg Config, link Link) *Endpoint {
	e := &Endpoint{
		cfg: cfg.withDefaults(), link: link, start: time.Now(),
		peers: make(map[string]*Peer),
		idle:  make(chan struct{}, 1),
		done:  make(chan struct{}),
	}
	e.most.Store(int64(e.cfg.MaxStreams))
	e.out.init()
	e.pool = workers.New(e.serve)
	e.wg.Go(e.runOutbox)
	e.wg.Go(e.runClock)
	return e
}

// SetMaxStreams replaces the MaxStreams of the configuration where streams are accepted;
// what is not between 1 and [subjects.MaxStreams] stands for the latter. Streams that are
// open go on.
func (e *Endpoint) SetMaxStreams(n int) {
	if n < 1 || n > subjects.MaxStreams {
		n = subjects.MaxStreams
	}
	e.most.Store(int64(n))
}

// now is the monotonic time since the endpoint was made, in nanoseconds, never
// 0.
func (e *Endpoint) now() int64 { return int64(time.Since(e.start)) + 1 }

// AddPeer returns the peer at address to, and adds it to the table if it is not
// there yet. It returns nil when an accepting endpoint knows the most peers that
// it may.
func (e *Endpoint) AddPeer(to string) *Peer {
	e.mu.RLock()
	p := e.peers[to]
	e.mu.RUnlock()
	if p != nil {
		return p
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if p = e.peers[to]; p != nil {
		return p
	}
	if e.cfg.Handler != nil && len(e.peers) >= maxPeers {
		return nil
	}
	p = newPeer(e, to)
	e.peers[to] = p
	return p
}

// Peer returns the peer at address to, nil if there is none.
func (e *Endpoint) Peer(to string) *Peer {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.peers[to]
}

// NoResponders reports that the peer's address had no listener when the first
// message of a stream was sent. Unless the peer has answered on the stream since,
// the stream ends with CodeNoInstance: it was certainly not executed. With stream
// 0 the message was a question. Then the peer is absent, and may come back, so
// only the streams end for which [Stream.EndWhenAbsent] was called. It must be
// called by the goroutine that passes on the peer's messages.
func (e *Endpoint) NoResponders(to string, stream uint64) {
	p := e.Peer(to)
	if p == nil {
		return
	}
	if stream == 0 {
		p.absent()
		return
	}
	s := p.lookup(stream)
	if s == nil {
		return
	}
	s.mu.Lock()
	ended := !s.heard() && s.send.resentAt == 0 && s.setCause(&subjects.ResetError{
		Code: subjects.CodeNoInstance, Detail: "the instance has no subscriber",
	})
	s.mu.Unlock()
	if ended {
		s.remove()
	}
}

// Ping returns a PING for a peer that may have no streams: whether it has a listener is
// known by the broker's answer, and its PONG counts as one to the engine's own.
func (e *Endpoint) Ping() []byte {
	return subjects.AppendPing(nil, subjects.FramePing, subjects.Ping{Nonce: uint64(e.now())})
}

// Heard reports whether a peer has sent anything within the given time, or was new then. It
// is false for one that is not known, which has no streams.
func (e *Endpoint) Heard(to string, within time.Duration) bool {
	p := e.Peer(to)
	return p != nil && e.now()-p.lastHeard.Load() < int64(within)
}

// LinkDown reports that messages are lost until LinkUp.
func (e *Endpoint) LinkDown() { e.downSince.CompareAndSwap(0, e.now()) }

func (e *Endpoint) down() bool { return e.downSince.Load() > 0 }

// LinkUp reports that messages flow again, perhaps after some were lost. All
// streams find out at once which ones.
func (e *Endpoint) LinkUp() {
	now := e.now()
	e.upSince.Store(now)
	e.downSince.Store(0)
	for _, p := range e.all() {
		p.lastHeard.Store(max(p.lastHeard.Load(), now))
		p.lastPing.Store(0)
		p.rtt.Reset()
		if p.idleSince.Load() == 0 {
			p.ping(now) // ahead of the questions: its answer shows that the path is empty
		}
		p.probe(now, true)
	}
}

// Refuse resets new streams with code, which must be one that promises that
// nothing was executed. With code 0 new streams are accepted again.
func (e *Endpoint) Refuse(code subjects.Code) { e.refuse.Store(int32(code)) }

// Streams returns how many streams are open.
func (e *Endpoint) Streams() int { return int(e.open.Load()) }

// Wait returns when no stream is open, or with ctx's error.
func (e *Endpoint) Wait(ctx context.Context) error {
	for e.Streams() > 0 {
		select {
		case <-e.idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	wait.Signal(e.idle) // for the next call of Wait
	return nil
}

// ResetStreams resets every stream to the peers whose addresses match. A stream
// that is opened meanwhile may be missed.
func (e *Endpoint) ResetStreams(match func(to string) bool, code subjects.Code, detail string) {
	for _, p := range e.all() {
		if !match(p.to) {
			continue
		}
		for _, s := range p.snapshot() {
			s.Reset(code, detail)
		}
	}
}

// Close resets every stream with CodeShutdown, notifies the peers, and returns
// when the endpoint's goroutines have ended. It waits for the handlers, so a
// handler must not call it.
func (e *Endpoint) Close() {
	if e.closed.Swap(true) {
		e.wg.Wait()
		return
	}
	// A stream enters the table under the peer's lock, after a look at closed
	// there: each one that enters at all is in the snapshot.
	for _, p := range e.all() {
		for _, s := range p.snapshot() {
			s.Reset(subjects.CodeShutdown, "the other side is shutting down")
		}
	}
	e.pool.Close()
	close(e.done)
	e.wg.Wait()
	for _, p := range e.all() {
		p.flush(true)
	}
}

func (e *Endpoint) all() []*Peer {
	e.mu.RLock()
	defer e.mu.RUnlock()
	all := make([]*Peer, 0, len(e.peers))
	for _, p := range e.peers {
		all = append(all, p)
	}
	return all
}

// forget drops a peer that has had no stream, and sent nothing, for long enough.
func (e *Endpoint) forget(p *Peer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	// Checked again under the lock: a frame may have arrived meanwhile.
	if len(p.work.unconfirmed) == 0 && p.forgettable(e.now()) && e.peers[p.to] == p {
		p.retired = true
		p.seen.Drop()
		delete(e.peers, p.to)
		e.firstID = max(e.firstID, p.nextID)
		if e.cfg.Forgotten != nil {
			e.cfg.Forgotten(p.to)
		}
	}
}

type stats struct {
	opened, refused, resetByPeer, resent, gaps, malformed, unknown, peersLost atomic.Uint64
}

// Stats are counts since the endpoint was made.
type Stats struct {
	Open        int    // streams open now
	Opened      uint64 // streams opened or accepted
	Refused     uint64 // streams refused on arrival
	ResetByPeer uint64
	Resent      uint64 // frames sent again
	Gaps        uint64 // frames that arrived after a missing one
	Malformed   uint64 // frames dropped as malformed or of an unknown version
	PeersLost   uint64 // times that a peer was presumed dead
}

// Stats returns the present counts.
func (e *Endpoint) Stats() Stats {
	return Stats{
		Open: e.Streams(), Opened: e.stats.opened.Load(), Refused: e.stats.refused.Load(),
		ResetByPeer: e.stats.resetByPeer.Load(), Resent: e.stats.resent.Load(), Gaps: e.stats.gaps.Load(),
		Malformed: e.stats.malformed.Load() + e.stats.unknown.Load(), PeersLost: e.stats.peersLost.Load(),
	}
}
