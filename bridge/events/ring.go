package events

import "sync"

// ringSize is how many events a bridge has in memory.
const ringSize = 1024

// ring has the newest events of a log. Their sequences grow, perhaps with gaps between
// them: within [ring.from, ring.end] it has every event that the log has.
type ring struct {
	mu     sync.Mutex
	epoch  uint64
	from   uint64  // the position before the first event that it has
	end    uint64  // the sequence up to which the log was read
	events []Event // oldest first
	at     []uint64
	heard  map[chan struct{}]struct{}
}

// reset empties the ring. The events that follow are those after a sequence.
func (r *ring) reset(epoch, after uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch, r.from, r.end = epoch, after, after
	r.events, r.at = nil, nil
	r.wake()
}

// add adds the log's next event.
func (r *ring) add(e Event, sequence uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(e, sequence)
}

// put is add. The caller holds mu.
func (r *ring) put(e Event, sequence uint64) {
	e.ID = position{r.epoch, sequence}.String()
	if len(r.events) == ringSize {
		r.from = r.at[0]
		copy(r.events, r.events[1:])
		copy(r.at, r.at[1:])
		r.events, r.at = r.events[:ringSize-1], r.at[:ringSize-1]
	}
	r.events, r.at = append(r.events, e), append(r.at, sequence)
	r.end = sequence
	r.wake()
}

// next adds an event with the next sequence.
func (r *ring) next(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(e, r.end+1)
}

// wake tells all subscribers. The caller holds mu.
func (r *ring) wake() {
	for c := range r.heard {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// subscribe implements [Log.Subscribe].
func (r *ring) subscribe() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.heard == nil {
		r.heard = map[chan struct{}]struct{}{}
	}
	r.heard[c] = struct{}{}
	return c, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.heard, c)
	}
}

// position is that of the newest event.
func (r *ring) position() position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return position{r.epoch, r.end}
}

// read returns the events after a position. ok is false if the ring does not have all that
// follow.
func (r *ring) read(after position, f *Filter, most int) (p Page, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if after.epoch != r.epoch || after.sequence < r.from || after.sequence > r.end {
		return Page{}, false
	}
	next := r.end
	for i := range r.events {
		if r.at[i] <= after.sequence || !f.Matches(&r.events[i]) {
			continue
		}
		if len(p.Events) == most {
			p.More = true
			break
		}
		p.Events = append(p.Events, r.events[i])
		next = r.at[i]
	}
	if !p.More {
		next = r.end
	}
	p.Next = position{r.epoch, next}.String()
	return p, true
}

// recent implements [Log.Recent].
func (r *ring) recent(f *Filter, most int) (all []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.events) - 1; i >= 0 && len(all) < most; i-- {
		if f.Matches(&r.events[i]) {
			all = append(all, r.events[i])
		}
	}
	return all
}

// oldest is the position before the first event that the ring has.
func (r *ring) oldest() position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return position{r.epoch, r.from}
}
