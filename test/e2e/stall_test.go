package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

const (
	stalledReaders = 50
	// stalledMost is how much memory a stalled reader may cost each side.
	stalledMost = 1 << 20
)

// TestStalledReaders lets 50 readers stop in the middle of a 1 GiB body.
// Other requests do not suffer, and memory stays bounded. The binaries have no
// race detector, since its memory and time would be measured too.
func TestStalledReaders(t *testing.T) {
	sp := newNodeSpace(t) // not parallel: it measures time
	s := sp.ownSystem(harness.SystemOptions{Binaries: sp.plain})
	tunnel := sp.sideOf(s, s.Ref())
	o := sp.newOrigin()
	agent := s.Agents[0]

	// Ordinary traffic comes first, so that its memory is not measured below.
	if err := sp.download(tunnel, o, 1, 64<<20); err != nil {
		t.Fatal(err)
	}
	before := sp.medianP99(tunnel)
	bridgeBefore, agentBefore := rss(t, s.Bridge), rss(t, agent)

	for range stalledReaders {
		c := sp.dialRaw(tunnel, 5*time.Minute)
		c.write(t, requestHead(t, tunnel, "GET", fmt.Sprintf("%s/bytes/1/%d", o.path, gib)))
		if resp := c.response(t, "GET"); resp.StatusCode != http.StatusOK {
			t.Fatalf("reader: %s", resp.Status)
		}
	}
	// All windows are full when nothing arrives at the agent any more.
	var last float64
	still := 0
	err := harness.Until(t.Context(), "all readers to stall", 2*time.Minute, nil, func(ctx context.Context) error {
		m, err := s.Metrics(ctx, agent)
		if err != nil {
			return err
		}
		if now := m.Sum("fairlead_agent_bytes_total", `direction="down"`); now != last {
			last, still = now, 0
		} else if still++; still > 10 {
			return nil
		}
		return errors.New("bytes still flow")
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := o.open.Load(); n != stalledReaders {
		t.Errorf("%d requests are open at the origin, want %d", n, stalledReaders)
	}
	during := sp.medianP99(tunnel)
	bridgeDuring, agentDuring := rss(t, s.Bridge), rss(t, agent)
	t.Logf("p99 %s before, %s during", before, during)
	if during > 2*before {
		t.Errorf("p99 of another request rose from %s to %s, at most twice is allowed", before, during)
	}
	for _, c := range []struct {
		what          string
		before, after int64
	}{{"bridge", bridgeBefore, bridgeDuring}, {"agent", agentBefore, agentDuring}} {
		each := (c.after - c.before) / stalledReaders
		t.Logf("%s: %d MiB before, %d MiB during: %d KiB a stalled reader", c.what, c.before>>20, c.after>>20, each>>10)
		if each > stalledMost {
			t.Errorf("%s: %d KiB a stalled reader, at most %d are allowed", c.what, each>>10, stalledMost>>10)
		}
	}
	if err := sp.download(tunnel, o, 2, 64<<20); err != nil {
		t.Errorf("beside the stalled readers: %v", err)
	}
}

func rss(t *testing.T, n *harness.Node) int64 {
	t.Helper()
	b, err := n.RSS()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// medianP99 is the median of a few rounds' p99 of a small request: a single
// round depends on the machine's other load.
func (sp *space) medianP99(s side) time.Duration {
	sp.t.Helper()
	const rounds, requests = 5, 300
	var p99 []time.Duration
	for range rounds {
		var times []time.Duration
		for range requests {
			req, err := http.NewRequestWithContext(sp.t.Context(), http.MethodGet, s.server+"/version", nil)
			if err != nil {
				sp.t.Fatal(err)
			}
			began := time.Now()
			if a := ask(sp.t, s, req); a.status != http.StatusOK {
				sp.t.Fatalf("status %d: %s", a.status, clip(string(a.body)))
			}
			times = append(times, time.Since(began))
		}
		slices.Sort(times)
		p99 = append(p99, times[requests*99/100])
	}
	slices.Sort(p99)
	return p99[rounds/2]
}
