package events

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
)

func newQueue() *queue {
	q := &queue{}
	q.init()
	return q
}

func offer(t *testing.T, q *queue, cluster string, i int) (lost int) {
	t.Helper()
	e, err := prepare(Event{Type: api.EventClusterConnected, Tenant: "acme", Cluster: cluster, Detail: fmt.Sprint(i)}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return q.add(newPending(&e, ""))
}

// TestNothingIsLostSilently: more events than there is room for leave word of what is
// missing, for each cluster, before what follows, and all are accounted for.
func TestNothingIsLostSilently(t *testing.T) {
	q := newQueue()
	const n, fleet = 3 * maxPending, 100
	lost := 0
	for i := range n {
		lost += offer(t, q, fmt.Sprintf("c%d", i%fleet), i)
	}
	if q.len() > maxPending || !q.overflows() || q.overflows() {
		t.Errorf("%d events wait, or overflow is not told once", q.len())
	}
	told, kept, last := 0, 0, map[string]bool{}
	for q.len() > 0 {
		batch := q.batch()
		done := map[*pending]bool{}
		for _, p := range batch {
			var e Event
			if err := json.Unmarshal(p.body(), &e); err != nil {
				t.Fatal(err)
			}
			if done[p] = true; e.Type != api.EventEventsLost {
				kept++
				last[e.Cluster] = true
				continue
			}
			var k int
			if _, err := fmt.Sscan(e.Detail, &k); err != nil || k != p.lost || last[e.Cluster] {
				t.Errorf("got %+v", e)
			}
			told += k
		}
		q.settle(batch, done)
	}
	if told != lost || kept+told != n {
		t.Errorf("%d kept, %d told, %d lost, of %d", kept, told, lost, n)
	}
}

// TestOneEventEach: where each cluster has one event, one is given up, and not all.
func TestOneEventEach(t *testing.T) {
	q := newQueue()
	lost := 0
	for i := range maxPending + 3 {
		lost += offer(t, q, fmt.Sprintf("c%d", i), i)
	}
	if lost != 3 || q.len() != maxPending || !strings.Contains(string(q.batch()[0].body()), `"c3"`) {
		t.Errorf("%d lost, %d wait", lost, q.len())
	}
}

// TestBatchesKeepOrder: a batch has one event of a cluster, and what is not written is in
// the next one.
func TestBatchesKeepOrder(t *testing.T) {
	q := newQueue()
	for i := range 10 {
		offer(t, q, fmt.Sprintf("c%d", i%2), i)
	}
	batch := q.batch()
	if len(batch) != 2 {
		t.Fatalf("a batch of %d", len(batch))
	}
	q.settle(batch, map[*pending]bool{batch[1]: true})
	again := q.batch()
	if len(again) != 2 || again[0] != batch[0] || again[0].id != batch[0].id || q.len() != 9 {
		t.Errorf("got %+v", again)
	}
}
