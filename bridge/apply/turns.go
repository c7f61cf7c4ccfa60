package apply

import (
	"context"
	"slices"
	"sync"
)

// turns lets maxParsed bodies be parsed at a time. Callers take turns, so that one who sends
// many bodies delays another by those that are being parsed and no more. It is safe for
// concurrent use; the zero value is ready.
type turns struct {
	mu      sync.Mutex
	running int
	waiting map[string][]chan struct{} // by caller; no list is empty
	order   []string                   // the callers that wait; the first is next
}

// enter waits for a caller's turn, which leave ends. The error is that ctx has ended.
func (t *turns) enter(ctx context.Context, caller string) error {
	t.mu.Lock()
	if t.running < maxParsed { // nobody waits
		t.running++
		t.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	if t.waiting == nil {
		t.waiting = map[string][]chan struct{}{}
	}
	if len(t.waiting[caller]) == 0 {
		t.order = append(t.order, caller)
	}
	t.waiting[caller] = append(t.waiting[caller], turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		t.giveUp(caller, turn)
		return ctx.Err()
	}
}

// giveUp ends a wait.
func (t *turns) giveUp(caller string, turn chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.waiting[caller]
	i := slices.Index(all, turn)
	if i < 0 { // it came at the same moment
		t.next()
		return
	}
	if t.waiting[caller] = slices.Delete(all, i, i+1); len(all) == 1 {
		delete(t.waiting, caller)
		t.order = slices.DeleteFunc(t.order, func(other string) bool { return other == caller })
	}
}

func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next()
}

// next gives a turn that has ended to the next caller. The caller holds mu.
func (t *turns) next() {
	if len(t.order) == 0 {
		t.running--
		return
	}
	caller := t.order[0]
	t.order = t.order[1:]
	all := t.waiting[caller]
	close(all[0])
	if len(all) == 1 {
		delete(t.waiting, caller)
		return
	}
	t.waiting[caller] = all[1:]
	t.order = append(t.order, caller)
}
