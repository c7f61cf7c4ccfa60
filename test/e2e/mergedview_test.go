package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
)

// view is what a client learns of clusters by a merged watch.
type view struct {
	t      *testing.T
	path   string
	client *client.Client
	stop   context.CancelFunc
	done   chan struct{} // closed when the stream has ended

	mu       sync.Mutex          // guards the rest
	told     map[string][]string // of each cluster the events: type, name and version
	states   map[string][]string
	versions map[string]string // that of the last line of each cluster
	end      *api.WatchSummary
	err      error
	changed  chan struct{} // closed and replaced with each line
}

func newView(t *testing.T, path string) *view {
	return &view{t: t, path: path, stop: func() {}, done: make(chan struct{}), changed: make(chan struct{}),
		told: map[string][]string{}, states: map[string][]string{}, versions: map[string]string{}}
}

// view begins a merged watch as ann, which goes on where an earlier one ended.
func (c *twoClusters) view(path string, earlier *view, clusters ...string) *view {
	t := c.sp.t
	t.Helper()
	v := newView(t, path)
	if earlier != nil {
		v.told, v.states, v.versions = earlier.told, earlier.states, earlier.versions
	}
	v.client = c.sp.goClient(c.system, restConfig(t, c.ann).BearerToken)
	ctx, cancel := context.WithCancel(context.Background())
	options := client.WatchOptions{Path: path, Clusters: clusters, From: maps.Clone(v.versions)}
	v.stop = func() { cancel(); <-v.done }
	t.Cleanup(v.stop)
	go func() {
		defer close(v.done)
		for line, err := range v.client.Watch(ctx, options) {
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
			v.told[line.Cluster] = nil
		}
		if line.ResourceVersion != "" {
			v.versions[line.Cluster] = line.ResourceVersion
		}
	case line.Event != nil:
		v.event(line.Cluster, line.Event)
	}
	close(v.changed)
	v.changed = make(chan struct{})
}

func (v *view) event(cluster string, e *api.WatchEvent) {
	var o struct {
		Metadata struct{ Name, ResourceVersion string }
	}
	if err := json.Unmarshal(e.Object, &o); err != nil {
		v.err = err
	}
	v.versions[cluster] = o.Metadata.ResourceVersion
	v.told[cluster] = append(v.told[cluster], e.Type+" "+o.Metadata.Name+" "+o.Metadata.ResourceVersion)
}

// direct is a watch at the API server itself, as the view of a cluster named prod.
func (c *twoClusters) direct(path string) *view {
	v := newView(c.sp.t, path)
	resp := openWatch(c.sp.t, c.sp.direct, path+"&watch=true")
	go func() { // ends with the body, which ends with the test
		defer close(v.done)
		for d := json.NewDecoder(resp.Body); ; {
			var e api.WatchEvent
			if d.Decode(&e) != nil {
				return
			}
			v.take(&api.WatchLine{Cluster: prod, Event: &e}, nil)
		}
	}()
	return v
}

// reach waits until what the client has learned meets a condition.
func (v *view) reach(what string, met func() bool) {
	v.t.Helper()
	deadline := time.After(time.Minute)
	for {
		v.mu.Lock()
		changed := v.changed
		v.mu.Unlock()
		if met() {
			return
		}
		select {
		case <-changed:
		case <-v.done:
			if met() {
				return
			}
			v.t.Fatalf("%s: the stream ended with %+v, %v", what, v.end, v.err)
		case <-deadline:
			v.t.Fatalf("%s: not within a minute; states %q", what, v.states)
		}
	}
}

func (v *view) events(cluster string) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.told[cluster])
}

// all are the states of a cluster, each with the code of its problem.
func (v *view) all(cluster string) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.states[cluster])
}

// state is the last one of a cluster.
func (v *view) state(cluster string) string {
	all := v.all(cluster)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// times is how often a cluster had a state.
func (v *view) times(cluster, state string) (n int) {
	for _, one := range v.all(cluster) {
		if one == state {
			n++
		}
	}
	return n
}

func (v *view) version(cluster string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.versions[cluster]
}

// changes are made by kubectl, one call after the other, until end.
type changes struct {
	t      *testing.T
	rounds chan int // closed when the last one is over
	stop   context.CancelFunc
	made   int // events; to be read after end
	err    error
}

// perRound is how many events a round of changes has.
const perRound = 3 + 3 + 2

func (sp *space) keepChanging() *changes {
	ctx, stop := context.WithCancel(sp.t.Context())
	c := &changes{t: sp.t, rounds: make(chan int), stop: stop}
	kubectl := func(stdin string, args ...string) {
		if c.err == nil {
			_, c.err = sp.kube.Run(sp.t.Context(), stdin, append(args, "-n", sp.name)...)
		}
	}
	go func() {
		defer close(c.rounds)
		for round := 0; c.err == nil && ctx.Err() == nil; round++ {
			var made bytes.Buffer
			for i := range 3 {
				fmt.Fprintf(&made, "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: c-%d-%d, labels: {watched: r%d}}}\n", round, i, round)
			}
			kubectl(made.String(), "create", "-f", "-")
			kubectl("", "annotate", "configmaps", "-l", fmt.Sprintf("watched=r%d", round), "changed=yes")
			kubectl("", "delete", "configmap", fmt.Sprintf("c-%d-0", round), fmt.Sprintf("c-%d-1", round))
			c.made += perRound
			select {
			case c.rounds <- round:
			default: // nobody waits for it
			}
		}
	}()
	sp.t.Cleanup(func() {
		stop()
		for range c.rounds {
		}
	})
	return c
}

// more waits until a round of changes has been made that began later than this call.
func (c *changes) more() {
	c.t.Helper()
	deadline := time.After(2 * time.Minute)
	for range 2 { // the first one had begun before
		select {
		case _, going := <-c.rounds:
			if !going {
				c.t.Fatalf("changes ended: %v", c.err)
			}
		case <-deadline:
			c.t.Fatal("no change within two minutes")
		}
	}
}

// end waits until the last round is over.
func (c *changes) end() {
	c.t.Helper()
	c.stop()
	for range c.rounds {
	}
	if c.err != nil {
		c.t.Fatal(c.err)
	}
}
