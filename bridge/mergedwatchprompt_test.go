package bridge

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// promptly is how long a merged watch may take to follow what the inventory tells. The aim is
// 1 s; a machine that does much else is allowed more, but less than the 5 s after which it
// would ask by itself.
const promptly = 3 * time.Second

// labelledAgent connects an agent that tells labels which the test changes.
func (w *watching) labelledAgent(cluster string, env *atomic.Value) *natslink.Agent {
	w.t.Helper()
	source, started := newWatchSource("a"), time.Now()
	a, err := natslink.NewAgent(w.nats.Agent(w.t, "acme", cluster), natslink.AgentConfig{
		Cluster: cluster, Instance: subjects.NewID('a'),
		Presence: func() subjects.Presence {
			return subjects.Presence{Version: "v1.2.3", Reachable: true, Started: started, Labels: map[string]string{"env": env.Load().(string)}}
		},
		Stream: stream.Config{Handler: func(s *stream.Stream) {
			if head, err := readHead(s); err == nil {
				source.serve(head, s)
			}
		}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = a.Close() })
	return a
}

// follows waits until a merged watch has told these states of a cluster.
func (w *watching) follows(v *view, cluster string, want ...string) {
	w.t.Helper()
	begun := time.Now()
	w.eventually("the merged watch tells "+want[len(want)-1]+" of "+cluster, func() bool {
		_, states := v.of(cluster)
		return slices.Equal(states, want)
	})
	if took := time.Since(begun); took > promptly {
		w.t.Errorf("%s: %v took %v, want at most %v", cluster, want, took, promptly)
	} else {
		w.t.Logf("%s: %v after %v", cluster, want, took)
	}
}

// TestMergedWatchFollowsLabelsPromptly: a cluster joins a merged watch as soon as its agent
// tells the label that is selected, and leaves it as soon as it does not any more.
func TestMergedWatchFollowsLabelsPromptly(t *testing.T) {
	t.Parallel()
	w := newWatching(t, nil, rigOptions{})
	var prod, dev atomic.Value
	prod.Store("prod")
	dev.Store("dev")
	w.labelledAgent("prod", &prod)
	other := w.labelledAgent("dev", &dev)
	selector := "env=prod"
	v := w.view(t.Context(), w.goClient(w.token), client.WatchOptions{Path: "/api/v1/pods", Selector: &selector, Tenant: "acme"})
	w.eventually("the selected one has started", func() bool { _, s := v.of("prod.acme"); return slices.Equal(s, []string{"started"}) })
	dev.Store("prod")
	other.Announce()
	w.follows(v, "dev.acme", "started")
	dev.Store("dev")
	other.Announce()
	w.follows(v, "dev.acme", "started", "ended")
	dev.Store("prod")
	other.Announce()
	w.follows(v, "dev.acme", "started", "ended", "started")
	if _, states := v.of("prod.acme"); !slices.Equal(states, []string{"started"}) {
		t.Errorf("the one that stayed: %v", states)
	}
}

// TestMergedWatchFollowsStatesPromptly: a cluster joins a merged watch of those that are
// online when its agent connects, and leaves it when its agent stops.
func TestMergedWatchFollowsStatesPromptly(t *testing.T) {
	t.Parallel()
	w := newWatching(t, nil, rigOptions{})
	var env atomic.Value
	env.Store("prod")
	w.labelledAgent("prod", &env)
	v := w.view(t.Context(), w.goClient(w.token), client.WatchOptions{Path: "/api/v1/pods", State: "online"})
	w.eventually("the one that is there has started", func() bool { _, s := v.of("prod.acme"); return slices.Equal(s, []string{"started"}) })
	late := w.labelledAgent("late", &env)
	w.follows(v, "late.acme", "started")
	_ = late.Close()
	begun := time.Now()
	w.eventually("it has ended", func() bool { _, s := v.of("late.acme"); return s[len(s)-1] == "ended" })
	if took := time.Since(begun); took > promptly {
		t.Errorf("it left after %v, want at most %v", took, promptly)
	}
	_, before := v.of("late.acme") // nothing more is told of it while it is away
	w.labelledAgent("late", &env)
	w.follows(v, "late.acme", append(before, "started")...)
}
