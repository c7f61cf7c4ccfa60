package fleet

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// tally counts what becomes of the clusters of a call. It is safe for concurrent use.
type tally struct {
	mu  sync.Mutex
	sum api.FleetSummary
}

func newTally(total int, missing []api.TenantFault) *tally {
	return &tally{sum: api.FleetSummary{Total: total, Unavailable: missing, Responses: map[string]int{}, Failed: map[string]int{}}}
}

// line counts a line that was written.
func (t *tally) line(l *api.FleetLine) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.Problem != nil {
		t.sum.Failed[l.Problem.Code]++
		return
	}
	t.sum.Responses[strconv.Itoa(l.Status/100)+"xx"]++
}

// failed counts a cluster whose line was not written, since its caller may not have it.
func (t *tally) failed(code string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Failed[code]++
}

// notBegun counts a cluster that nothing was sent to.
func (t *tally) notBegun(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.NotBegun = append(t.sum.NotBegun, name)
}

// left is how many clusters nothing was sent to.
func (t *tally) left() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sum.NotBegun)
}

// summary is the last line; why is nil unless the call ended before its time.
func (t *tally) summary(why *api.Problem, took time.Duration) *api.FleetLine {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sum
	slices.Sort(s.NotBegun)
	s.Complete = why == nil && len(s.NotBegun) == 0 && len(s.Unavailable) == 0
	s.Problem, s.Duration = why, took.String()
	return &api.FleetLine{Summary: &s}
}
