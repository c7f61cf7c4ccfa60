package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

// TestInstancesShareWork gives a cluster two agents and ends one during a burst
// of POSTs: with SIGTERM, and then with SIGKILL. Every POST that is answered was
// executed once, and none is refused that the other agent can take.
func TestInstancesShareWork(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	s := sp.ownSystem(harness.SystemOptions{Agents: 2})
	tunnel := sp.sideOf(s, s.Ref())

	t.Run("drained", func(t *testing.T) {
		w := &work{sp: &space{suite: sp.suite, t: t, name: sp.name}, side: tunnel, label: "drained"}
		w.beginPosts()
		w.awaitPosts(posts / 4)
		if err := s.Agents[0].Stop(45 * time.Second); err != nil {
			t.Error(err)
		}
		w.wg.Wait()
		for _, err := range w.errs {
			t.Error(err)
		}
		w.checkPosts()
		if n := sp.served(s, s.Agents[1]); n < posts/8 {
			t.Errorf("the other instance served %g of %d requests", n, posts)
		}
		if err := s.Restart(t.Context(), s.Agents[0]); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("killed", func(t *testing.T) {
		w := &work{sp: &space{suite: sp.suite, t: t, name: sp.name}, side: tunnel, label: "killed"}
		w.beginPosts()
		w.awaitPosts(posts / 4)
		if err := s.Agents[1].Kill(); err != nil {
			t.Fatal(err)
		}
		w.wg.Wait()
		// Requests that an instance was executing when it died get an answer that
		// says that their outcome is unknown. There are at most as many as were
		// under way.
		if failed := posts - w.posted.Load(); failed > postWorkers {
			t.Errorf("%d requests failed, at most %d were under way; the first: %v", failed, postWorkers, errors.Join(w.errs...))
		}
		for _, n := range w.executions() {
			if n > 1 {
				t.Error("a POST was executed twice")
			}
		}
		if answered, made := w.posted.Load(), int64(len(w.executions())); made < answered {
			t.Errorf("%d POSTs were answered, %d executed", answered, made)
		}
	})
}

// served is how many POSTs an agent's API server has answered.
func (sp *space) served(s *harness.System, agent *harness.Node) float64 {
	sp.t.Helper()
	m, err := s.Metrics(sp.t.Context(), agent)
	if err != nil {
		sp.t.Fatal(err)
	}
	return m.Sum("fairlead_agent_requests_total", `method="POST"`)
}

func (w *work) awaitPosts(n int64) {
	w.sp.t.Helper()
	w.sp.until("some posts to be answered", func(context.Context) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.errs) > 0 {
			w.sp.t.Fatal(errors.Join(w.errs...))
		}
		if got := w.posted.Load(); got < n {
			return fmt.Errorf("%d of %d", got, n)
		}
		return nil
	})
}
