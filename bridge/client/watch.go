package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
)

// WatchOptions say what is watched, and where.
type WatchOptions struct {
	// Path is that of a list, such as /api/v1/pods?labelSelector=app%3Dshop.
	Path string
	// Clusters are the names of the clusters, each of them once.
	Clusters []string
	// Selector, Tenant and State select clusters instead, as they come and go: Selector is a
	// label selector of Kubernetes, "" selects every cluster that the caller may see, and
	// State is one of [ClusterFilter].
	Selector *string
	Tenant   string
	State    string
	// From are the resource versions from which the watches of clusters go on: that of a
	// [WatchError]. Clusters without one are listed first.
	From map[string]string
}

// WatchError is why a watch has ended that was not at its end. Err is an [*Error] if the
// bridge has refused the watch or its caller, and that of the context if this has ended.
type WatchError struct {
	// From is where another watch goes on, with [WatchOptions.From]. What was told of
	// clusters that are not in it is void then, and comes again.
	From map[string]string
	Err  error
}

// Error is that of Err.
func (e *WatchError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *WatchError) Unwrap() error { return e.Err }

// Watch yields the events of a resource in many clusters, as they happen, with what there
// is as events ADDED first, and how the clusters are. Which lines there are says
// [api.WatchLine].
//
// When the connection is lost, or the bridge goes away, it connects again and goes on where
// each cluster was: none of its events is missing and none comes twice. A cluster whose
// events cannot be gone on with has the state [api.WatchReset] before they come again: one
// of which not everything had been told that there is, and one whose API server does not
// remember that long. It tries for as long as the context lasts, with pauses of
// [Retry.MaxWait] at most; only if nothing can be heard at all to begin with, as often as
// any request.
//
// The summary is the last line, if each cluster has ended by itself. Otherwise the last
// pair has an error, which is a [*WatchError]: the context has ended, or the bridge refuses
// the caller or the watch. The watch ends when the loop does.
func (c *Client) Watch(ctx context.Context, o WatchOptions) iter.Seq2[api.WatchLine, error] {
	return func(yield func(api.WatchLine, error) bool) {
		w := &watch{options: o, yield: yield, places: make(map[string]*place)}
		for cluster, version := range o.From {
			w.place(cluster).version = version
		}
		if err := c.follow(ctx, w, mostWatchSilence); err != nil {
			yield(api.WatchLine{}, &WatchError{From: w.from(), Err: err})
		}
	}
}

// mostWatchSilence is how long a watch may have nothing: the bridge writes every 30 s.
const mostWatchSilence = 80 * time.Second

// watch is a merged watch over as many connections as it takes.
type watch struct {
	options WatchOptions
	yield   func(api.WatchLine, error) bool
	places  map[string]*place // of each cluster that was told of
}

// place is where the watch of a cluster is.
type place struct {
	version string // from which it goes on; "": it must be listed
	told    bool   // objects were told of a list that is not at its end
	ended   bool   // no more comes of it
}

// place is that of a cluster, under whatever name of it.
func (w *watch) place(cluster string) *place {
	cluster = strings.TrimSuffix(cluster, ".default")
	p := w.places[cluster]
	if p == nil {
		p = &place{}
		w.places[cluster] = p
	}
	return p
}

// from is where each cluster can be gone on with.
func (w *watch) from() map[string]string {
	from := make(map[string]string)
	for cluster, p := range w.places {
		if p.version != "" {
			from[cluster] = p.version
		}
	}
	return from
}

// request asks for the watch from where it is. It is nil if every cluster that was named
// has ended.
func (w *watch) request() *exchange.Request {
	o := &w.options
	q := url.Values{"path": {o.Path}}
	if o.Clusters != nil {
		left := slices.DeleteFunc(slices.Clone(o.Clusters), func(name string) bool { return w.place(name).ended })
		if len(left) == 0 && len(o.Clusters) > 0 {
			return nil
		}
		q.Set("clusters", strings.Join(left, ","))
	}
	if o.Selector != nil {
		q.Set("selector", *o.Selector)
	}
	if o.Tenant != "" {
		q.Set("tenant", o.Tenant)
	}
	if o.State != "" {
		q.Set("state", o.State)
	}
	if versions := w.from(); len(versions) > 0 {
		var from []string
		for _, cluster := range slices.Sorted(maps.Keys(versions)) {
			from = append(from, cluster+":"+versions[cluster])
		}
		q.Set("from", strings.Join(from, ","))
	}
	return &exchange.Request{Method: http.MethodGet, Path: []string{"v1", "watch"}, Query: q, Accept: "application/x-ndjson", Repeatable: true}
}

// Next goes on where each cluster is. It is nil if every cluster that was named has ended, or
// the reader has left.
func (w *watch) Next() *exchange.Request {
	if !w.void() {
		return nil
	}
	r := w.request()
	if r == nil {
		w.yield(api.WatchLine{Summary: &api.WatchSummary{}}, nil)
	}
	return r
}

// Pause is none: a bridge that wants one refuses the watch until then.
func (w *watch) Pause() time.Duration { return 0 }

// void tells of which clusters the list was cut off, so that it comes again. It is false if
// the reader has left.
func (w *watch) void() bool {
	for _, cluster := range slices.Sorted(maps.Keys(w.places)) {
		p := w.places[cluster]
		if p.version == "" && p.told {
			p.told = false
			if !w.yield(api.WatchLine{Cluster: cluster, State: api.WatchReset}, nil) {
				return false
			}
		}
	}
	return true
}

// Line takes one line of the stream. A summary with a problem is no end: the next
// connection goes on, or is told the problem.
func (w *watch) Line(r *exchange.Request, text []byte) (done bool, err error) {
	var l api.WatchLine
	if err := json.Unmarshal(text, &l); err != nil {
		return false, &exchange.FinalError{Err: fmt.Errorf("%s: decode a line: %w", r, err)}
	}
	if l.Summary != nil {
		if l.Summary.Problem != nil {
			return false, nil
		}
		w.yield(l, nil)
		return true, nil
	}
	if l.Cluster != "" {
		p := w.place(l.Cluster)
		if p.ended && l.State == api.WatchEnded {
			return false, nil // it is asked for once more where clusters are selected
		}
		if err := p.take(&l); err != nil {
			return false, &exchange.FinalError{Err: fmt.Errorf("%s: %w", r, err)}
		}
	}
	return !w.yield(l, nil), nil
}

// take notes where the cluster is after a line of it.
func (p *place) take(l *api.WatchLine) error {
	switch l.State {
	case api.WatchStarted, api.WatchResumed:
		*p = place{version: l.ResourceVersion}
	case api.WatchReset:
		*p = place{}
	case api.WatchEnded:
		*p = place{}
	}
	p.ended = l.State == api.WatchEnded
	if l.Event == nil {
		return nil
	}
	if p.version == "" { // of a list, whose objects come in no order of their versions
		p.told = true
		return nil
	}
	var object struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(l.Event.Object, &object); err != nil || object.Metadata.ResourceVersion == "" {
		return fmt.Errorf("an event of %s has no resource version", l.Cluster)
	}
	p.version = object.Metadata.ResourceVersion
	return nil
}
