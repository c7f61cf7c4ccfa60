package stream

// budget bounds the bytes in flight to a peer in large frames, over all streams.
// It keeps the queues on the path short, so that a small frame, which does not
// wait for the budget, arrives soon. It covers openings, data and resends: each
// copy of a frame that may still be on its way counts. Streams are served in turn,
// one frame each. Guarded by Peer.mu.
type budget struct {
	used    int
	limit   int
	waiters []*Stream
	// acked counts the bytes acknowledged since the clock last resized the budget.
	acked int
}

// budgetWait is a stream's place in the queue for the budget.
type budgetWait struct {
	want    int  // bytes waited for; 0 while not waiting
	granted bool // the bytes are set aside for this stream
}

// reserve takes n bytes of the budget. If they are not available now it reports
// false, and the stream's writable token comes when they have been set aside.
func (p *Peer) reserve(s *Stream, n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, w := &p.budget, &s.budget
	switch {
	case w.granted:
		*w = budgetWait{}
		return true
	case w.want > 0:
		return false
	case len(b.waiters) == 0 && b.fits(n):
		b.used += n
		return true
	}
	w.want = n
	b.waiters = append(b.waiters, s)
	return false
}

// recount changes the bytes in flight by n for frames that are sent again. It
// reports false, and changes nothing, if n more do not fit.
func (p *Peer) recount(n int) bool {
	if n == 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &p.budget
	if n > 0 && b.used+n > b.limit {
		return false
	}
	b.used += n
	b.grant()
	return true
}

// fits reports whether n more bytes may be in flight. One frame always may.
func (b *budget) fits(n int) bool { return b.used == 0 || b.used+n <= b.limit }

// release gives n bytes back and sets them aside for the streams that wait.
func (p *Peer) release(n int) {
	if n == 0 {
		return
	}
	p.mu.Lock()
	p.budget.used -= n
	p.budget.grant()
	p.mu.Unlock()
}

// grant sets bytes aside for the streams that wait, in turn, as far as they fit.
func (b *budget) grant() {
	n := 0
	for n < len(b.waiters) && b.fits(b.waiters[n].budget.want) {
		s := b.waiters[n]
		b.used += s.budget.want
		s.budget.granted = true
		s.mu.Lock()
		s.writable.Wake()
		s.mu.Unlock()
		n++
	}
	if n > 0 {
		k := copy(b.waiters, b.waiters[n:])
		clear(b.waiters[k:])
		b.waiters = b.waiters[:k]
	}
}

// abandon gives up a place in the queue and the bytes that had been set aside.
func (p *Peer) abandon(s *Stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, w := &p.budget, &s.budget
	if w.granted {
		b.used -= w.want
	} else if w.want > 0 {
		for i, o := range b.waiters {
			if o == s {
				b.waiters = append(b.waiters[:i], b.waiters[i+1:]...)
				break
			}
		}
	}
	*w = budgetWait{}
	b.grant()
}

// arrived gives back n bytes that the peer has acknowledged.
func (p *Peer) arrived(n int) {
	if n == 0 {
		return
	}
	p.mu.Lock()
	p.budget.acked += n
	p.budget.used -= n
	p.budget.grant()
	p.mu.Unlock()
}

// resize sets the bound to twice the bytes that arrive within the shortest round
// trip of the path. elapsed is the time since the last call in nanoseconds.
func (p *Peer) resize(elapsed int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &p.budget
	rtt := p.rtt.Min()
	if elapsed <= 0 || rtt <= 0 {
		return
	}
	need := int(2 * float64(b.acked) / float64(elapsed) * float64(rtt))
	b.acked = 0
	// It grows at once and shrinks slowly, so that it survives a short pause.
	target := min(max(need, minInFlight), p.ep.cfg.InFlight)
	if target < b.limit {
		target = max(target, b.limit-b.limit/8)
	}
	b.limit = target
	b.grant()
}

// bulk returns how many of a frame's n payload bytes count as in flight. A small
// frame never waits for the budget, and takes nothing from it.
func bulk(n int) int {
	if n > smallFrame {
		return n
	}
	return 0
}
