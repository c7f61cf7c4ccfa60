package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

// footprint counts the resources that watches use, in each place where some could
// be left behind.
type footprint struct {
	bridgeGoroutines, agentGoroutines float64
	bridgeFiles, agentFiles           float64
	subscriptions                     float64 // of the broker
	connections                       float64 // from the agent to the API server
}

func (sp *space) footprint(ctx context.Context, s *harness.System) (f footprint, err error) {
	bridge, err := s.Metrics(ctx, s.Bridge)
	if err != nil {
		return f, err
	}
	agent, err := s.Metrics(ctx, s.Agents[0])
	if err != nil {
		return f, err
	}
	connections, err := s.Agents[0].ConnectedTo(strings.TrimPrefix(sp.kube.Server, "https://"))
	return footprint{
		bridgeGoroutines: bridge.Sum("go_goroutines"), bridgeFiles: bridge.Sum("process_open_fds"),
		agentGoroutines: agent.Sum("go_goroutines"), agentFiles: agent.Sum("process_open_fds"),
		subscriptions: bridge.Sum("fairlead_broker_subscriptions"),
		connections:   float64(connections),
	}, err
}

// TestCancelStorm opens 1,000 watches and cancels them all at once. On each side
// the resources in use return to their earlier level.
func TestCancelStorm(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	const watches = 1000
	s := sp.ownSystem(harness.SystemOptions{}) // no other test's requests are counted
	tunnel := sp.sideOf(s, s.Ref())
	before, err := sp.footprint(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	from := sp.auditNow()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	bodies := make([]*http.Response, watches)
	err = each(watches, 16, func(i int) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, tunnel.server+sp.path("/configmaps?watch=true"), nil)
		if err != nil {
			return err
		}
		if bodies[i], err = tunnel.client.Do(req); err != nil {
			return err
		}
		if bodies[i].StatusCode != http.StatusOK {
			return fmt.Errorf("watch %d: %s", i, bodies[i].Status)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	during, err := sp.footprint(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("before %+v", before)
	t.Logf("during %+v", during)
	if grew := during.subscriptions - before.subscriptions; grew != 0 {
		t.Errorf("%g subscriptions more with %d watches: a stream must not need one", grew, watches)
	}
	if ended := sp.watchesEnded(from); ended != 0 {
		t.Errorf("%d watches have ended before they were cancelled", ended)
	}

	cancel()
	at := time.Now()
	for _, b := range bodies {
		b.Body.Close()
	}
	sp.until("the API server's watches to end", func(context.Context) error {
		if ended := sp.watchesEnded(from); ended < watches {
			return fmt.Errorf("%d of %d have", ended, watches)
		}
		return nil
	})
	t.Logf("the API server's watches were over after %s", time.Since(at).Round(time.Millisecond))
	// Streams go at once. An idle connection to the API server stays in the
	// agent's pool for 90 s, so that much time is given.
	err = harness.Until(t.Context(), "everything to return to its earlier level", 3*time.Minute, nil, func(ctx context.Context) error {
		// Each time, for a connection is idle only once all its streams are reset, and
		// that of a cancelled request happens after its body is closed.
		tunnel.client.CloseIdleConnections()
		now, err := sp.footprint(ctx, s)
		if err != nil {
			return err
		}
		for _, c := range []struct {
			what                string
			now, before, excess float64
		}{
			// A pooled connection has two goroutines, and a scrape is a momentary sample.
			{"goroutines of the bridge", now.bridgeGoroutines, before.bridgeGoroutines, 10},
			{"goroutines of the agent", now.agentGoroutines, before.agentGoroutines, 10},
			{"open files of the bridge", now.bridgeFiles, before.bridgeFiles, 3},
			{"open files of the agent", now.agentFiles, before.agentFiles, 3},
			{"subscriptions", now.subscriptions, before.subscriptions, 0},
			{"connections of agent and API server", now.connections, before.connections, 1},
		} {
			if c.now > c.before+c.excess {
				return fmt.Errorf("%s: %g, earlier %g", c.what, c.now, c.before)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("everything was back at its earlier level after %s", time.Since(at).Round(time.Millisecond))
}

// watchesEnded counts the namespace's watches of config maps that have ended.
func (sp *space) watchesEnded(from int64) int {
	sp.t.Helper()
	events, err := sp.audit(from, sp.path("/configmaps"), func(e auditEvent) bool {
		return e.Stage == responseComplete && e.Verb == "watch"
	})
	if err != nil {
		sp.t.Fatal(err)
	}
	return len(events)
}
