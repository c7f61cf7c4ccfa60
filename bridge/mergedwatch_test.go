package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
)

// view is what a client has learned of clusters by a merged watch.
type view struct {
	mu     sync.Mutex
	events map[string][]string // of each cluster: type, name and version
	states map[string][]string
	last   map[string]string // version of each cluster
	end    *api.WatchSummary
	err    error
	done   chan struct{}
}

// view begins a merged watch, and reads it until its end.
func (r *rig) view(ctx context.Context, c *client.Client, o client.WatchOptions) *view {
	v := &view{events: map[string][]string{}, states: map[string][]string{}, last: map[string]string{}, done: make(chan struct{})}
	go func() {
		defer close(v.done)
		for line, err := range c.Watch(ctx, o) {
			v.take(&line, err)
		}
	}()
	return v
}

func (v *view) take(line *api.WatchLine, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case err != nil:
		v.err = err
	case line.Summary != nil:
		v.end = line.Summary
	case line.State != "":
		state := line.State
		if line.Problem != nil {
			state += " " + line.Problem.Code
		}
		v.states[line.Cluster] = append(v.states[line.Cluster], state)
		if line.State == api.WatchReset {
			v.events[line.Cluster] = nil
		}
		if line.ResourceVersion != "" {
			v.last[line.Cluster] = line.ResourceVersion
		}
	case line.Event != nil:
		var o struct {
			Kind     string
			Metadata struct{ Name, ResourceVersion string }
		}
		if json.Unmarshal(line.Event.Object, &o) != nil || o.Kind != "Pod" {
			v.err = fmt.Errorf("an event of no pod: %s", line.Event.Object)
		}
		v.last[line.Cluster] = o.Metadata.ResourceVersion
		v.events[line.Cluster] = append(v.events[line.Cluster], line.Event.Type+" "+o.Metadata.Name+" "+o.Metadata.ResourceVersion)
	}
}

func (v *view) of(cluster string) (events, states []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.events[cluster]), slices.Clone(v.states[cluster])
}

// resumeAt is where each cluster can be gone on with.
func (v *view) resumeAt() map[string]string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.last)
}

// all is everything that has happened in a source since a number of happenings.
func (w *watchSource) all(since int) (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.log[1+since:] {
		all = append(all, fmt.Sprintf("%s %s %d", h.kind, h.name, h.version))
	}
	return all
}

// TestMergedWatch: 200 clusters, of which twenty are away at first and one agent is
// restarted in the midst. Of each cluster everything that happens comes, in its order and
// once.
func TestMergedWatch(t *testing.T) {
	t.Parallel()
	const all, away = 200, 20
	r := newRig(t, rigOptions{})
	sources := map[string]*watchSource{}
	names := make([]string, all)
	for i := range all {
		names[i] = fmt.Sprintf("c%d", i)
		sources[names[i]] = newWatchSource("a", "b", "c")
	}
	connect := func(of []string) {
		for _, name := range of {
			r.agent("default", name, sources[name].serve)
		}
	}
	restarted := r.agent("default", names[0], sources[names[0]].serve)
	connect(names[1 : all-away])
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	v := r.view(ctx, r.goClient(r.token), client.WatchOptions{Path: "/api/v1/pods", Clusters: names})
	whole := func(of []string) func() bool {
		return func() bool {
			for _, name := range of {
				if events, _ := v.of(name); !slices.Equal(events, sources[name].all(0)) {
					return false
				}
			}
			return true
		}
	}
	happen := func(round int) {
		for _, s := range sources {
			s.happens("MODIFIED", "a")
			s.happens("ADDED", fmt.Sprint("new", round))
		}
	}
	r.eventually("what there is has come", whole(names[:all-away]))
	happen(1)
	r.eventually("what has happened has come", whole(names[:all-away]))
	_ = restarted.Close()
	happen(2)
	r.eventually("it has come from those that are there", whole(names[1:all-away]))
	r.agent("default", names[0], sources[names[0]].serve)
	happen(3)
	r.eventually("it goes on where it ended", whole(names[:all-away]))
	_, states := v.of(names[0])
	// On a busy machine the watch may begin before the agent is known, and nothing else may
	// come before it starts.
	for len(states) > 0 && (states[0] == "reset" || strings.HasPrefix(states[0], "waiting cluster-")) {
		states = states[1:]
	}
	if len(states) < 3 || states[0] != "started" || !strings.HasPrefix(states[1], "waiting cluster-") || states[len(states)-1] != "resumed" {
		t.Errorf("states of the agent that was restarted: %v", states)
	}
	late := names[all-away:]
	before := map[string]int{}
	for _, name := range late {
		if _, states := v.of(name); !slices.Equal(states, []string{"waiting cluster-never-connected"}) {
			t.Errorf("%s: %v", name, states)
		}
		objects, _ := sources[name].objects()
		before[name] = len(objects)
	}
	connect(late)
	r.eventually("those that were away are told", func() bool {
		for _, name := range late {
			if events, states := v.of(name); len(events) != before[name] || states[len(states)-1] != "started" {
				return false
			}
		}
		return true
	})
	cancel()
	<-v.done
	for _, name := range names[1 : all-away] {
		if s := sources[name]; s.watches.Load() != 1 || s.lists.Load() != 2 {
			t.Errorf("%s: %d lists, %d watches", name, s.lists.Load(), s.watches.Load())
		}
	}
	r.eventually("the requests have ended", func() bool { return r.metric("fairlead_bridge_requests_in_flight") == 0 })
}
