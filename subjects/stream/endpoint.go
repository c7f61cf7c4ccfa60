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
	firstID uint64 // above every id used with a peer that is forgotten

	spans idset.Pool // shared by the peers' sets of ids

	closed atomic.Bool   // set before Close looks at what is open
	open   atomic.Int64  // streams in all tables
	idle   chan struct{} // a token once open has come to 0
	grown  atomic.Int64  // bytes by which windows have grown
	refuse atomic.Int32  // subjects.Code with which new streams are refused, 0 none
	// downSince is when the link went down, endpoint nanoseconds; 0 while up.
	// While it is down nothing is handed to the link, whose Send might block.
	downSince atomic.Int64
	// upSince is since when this endpoint could hear its peers.
	upSince atomic.Int64

	done chan struct{}
	wg   sync.WaitGroup
}

// New returns an endpoint on link. The link is taken to be up.
func New(cfg Config, link Link) *Endpoint {
	e := &Endpoint{
		cfg: cfg.withDefaults(), link: link, start: time.Now(),
		peers: make(map[string]*Peer),
		idle:  make(chan struct{}, 1),
		done:  make(chan struct{}),
	}
	e.out.init()
	e.pool = workers.New(e.serve)
	e.wg.Go(e.runOutbox)
	e.wg.Go(e.runClock)
	return e
}

// now is the monotonic time since the endpoint was made, in nanoseconds, never
// 0.
func (e *Endpoint) now() int64 { return int64(time.Since(e.start)) + 1 }

// AddPeer returns the peer at address to and adds it to the table if it is not
// there yet. It returns nil when an accepting endpoint knows as many peers as it
// may.
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

// Peer returns the peer at address to, nil where there is none.
func (e *Endpoint) Peer(to string) *Peer {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.peers[to]
}

// NoResponders says that nobody listened when the first message of a stream
// was sent: unless something has been heard of the stream since, it ends with
// CodeNoInstance and was certainly not executed. With stream 0 nobody listened
// to a question: the peer is absent, and may come back, so that only the
// streams end that [Stream.EndWhenAbsent] was called for. It must come from the
// same goroutine as the peer's messages.
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
		Code: subjects.CodeNoInstance, Detail: "nobody listens for this instance",
	})
	s.mu.Unlock()
	if ended {
		s.remove()
	}
}

// LinkDown says that messages are being lost until LinkUp.
func (e *Endpoint) LinkDown() { e.downSince.CompareAndSwap(0, e.now()) }

func (e *Endpoint) down() bool { return e.downSince.Load() > 0 }

// LinkUp says that messages flow again, perhaps after some were lost: all
// streams find out what, at once.
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

// Refuse has new streams reset with code, which must be one that says that
// nothing was executed; 0 takes them again.
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
	wait.Signal(e.idle) // for the next one that waits
	return nil
}

// ResetStreams resets every stream to the peers whose addresses match. One that
// is opened meanwhile may be missed.
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

// Close resets every stream with CodeShutdown, tells the peers, and returns
// when the endpoint's goroutines have ended. Handlers are waited for, so none
// may call it.
func (e *Endpoint) Close() {
	if e.closed.Swap(true) {
		e.wg.Wait()
		return
	}
	// Streams are entered under the peer's lock, by those who have seen closed
	// unset there: what is entered at all is in the snapshot.
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

// forget drops a peer that has had no stream and said nothing for long.
func (e *Endpoint) forget(p *Peer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	// Asked again under the lock: a frame may have come meanwhile.
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

// Stats counts since the endpoint was made.
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

// Stats returns the counts of this moment.
func (e *Endpoint) Stats() Stats {
	return Stats{
		Open: e.Streams(), Opened: e.stats.opened.Load(), Refused: e.stats.refused.Load(),
		ResetByPeer: e.stats.resetByPeer.Load(), Resent: e.stats.resent.Load(), Gaps: e.stats.gaps.Load(),
		Malformed: e.stats.malformed.Load() + e.stats.unknown.Load(), PeersLost: e.stats.peersLost.Load(),
	}
}
