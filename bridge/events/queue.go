package events

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// maxPending is how many events wait for the store at most, each of about 500 bytes:
	// a fleet of 1,000 clusters may come and go four times meanwhile.
	maxPending = 8192
	// maxBatch is how many are written at a time.
	maxBatch = 64
)

// pending is an event that waits for the store.
type pending struct {
	cluster subjects.ClusterRef
	id      string // Nats-Msg-Id
	data    []byte
	lost    int // how many events it stands for, if they were given up
	sent    bool
}

func newPending(e *Event, dedupe string) *pending {
	p := &pending{cluster: subjects.ClusterRef{Tenant: e.Tenant, Cluster: e.Cluster}, data: encode(e), id: rand.Text()}
	if dedupe != "" {
		p.id = dedupeKey(e, dedupe)
	}
	return p
}

// dedupeKey is what two events have in common that are the same.
func dedupeKey(e *Event, dedupe string) string {
	return string(e.Type) + "/" + e.Tenant + "." + e.Cluster + "/" + clean(dedupe, maxDedupe)
}

func encode(e *Event) []byte {
	data, err := json.Marshal(e)
	if err != nil { // texts and a time, whose year is one of a clock
		panic("events: " + err.Error())
	}
	return data
}

// body is what is written.
func (p *pending) body() []byte {
	if p.lost == 0 {
		return p.data
	}
	return encode(&Event{
		Type: api.EventEventsLost, Time: time.Now().UTC(), Tenant: p.cluster.Tenant, Cluster: p.cluster.Cluster,
		Detail: fmt.Sprintf("%d events of this cluster were given up, since the store of the bridges took none for too long", p.lost),
	})
}

// queue has the events that wait, oldest first.
type queue struct {
	mu      sync.Mutex
	waiting []*pending
	ready   chan struct{}
	over    bool // events were given up since it was empty
	told    bool // and somebody has asked
}

func (q *queue) init() { q.ready = make(chan struct{}, 1) }

// add adds an event, and returns how many were given up for it.
func (q *queue) add(p *pending) (lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxPending {
		lost = q.giveUp()
		q.over = true
	}
	q.waiting = append(q.waiting, p)
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return lost
}

// giveUp makes room for an event: the two oldest ones of a cluster become one that says how
// many it stands for. Where each cluster has one, the oldest goes. The caller holds mu.
func (q *queue) giveUp() (lost int) {
	first := map[subjects.ClusterRef]*pending{}
	oldest := -1
	for i, p := range q.waiting {
		if p.sent {
			continue
		}
		if oldest < 0 {
			oldest = i
		}
		note := first[p.cluster]
		if note == nil {
			first[p.cluster] = p
			continue
		}
		if note.lost == 0 {
			note.data, note.id, note.lost = nil, rand.Text(), 1
			lost++
		}
		note.lost++ // what follows a note is none
		q.waiting = slices.Delete(q.waiting, i, i+1)
		return lost + 1
	}
	if oldest < 0 {
		return 0
	}
	lost = 1
	if q.waiting[oldest].lost > 0 {
		lost = 0 // they were counted
	}
	q.waiting = slices.Delete(q.waiting, oldest, oldest+1)
	return lost
}

// overflows reports whether events began to be given up since it was last asked.
func (q *queue) overflows() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	first := q.over && !q.told
	q.told = q.over
	return first
}

// batch returns the events that may be written now, side by side: the first of each
// cluster, so that those of one cluster stay in order.
func (q *queue) batch() (all []*pending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := map[subjects.ClusterRef]bool{}
	for _, p := range q.waiting {
		if !taken[p.cluster] {
			taken[p.cluster], p.sent = true, true
			all = append(all, p)
		}
		if len(all) == maxBatch {
			break
		}
	}
	return all
}

// settle removes the events of a batch that done has.
func (q *queue) settle(batch []*pending, done map[*pending]bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range batch {
		p.sent = p.lost > 0 && !done[p] // what was sent once keeps its count
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(p *pending) bool { return done[p] })
	if len(q.waiting) == 0 {
		q.over, q.told = false, false
	}
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}
