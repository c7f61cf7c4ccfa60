package watch

import (
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/inventory"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/subjects"
)

// maxClusters bounds those of one watch, each of which has a goroutine and a stream.
const maxClusters = 1000

// maxPath bounds the path in bytes.
const maxPath = 8 << 10

// query is what a request asks for.
type query struct {
	path      string // of the list, with what selects in it
	named     []subjects.ClusterRef
	selection *inventory.Selection // nil: the clusters are named
	found     *found               // that are selected when the watch begins
	changed   <-chan struct{}      // has a token once others may be selected than found; nil: nothing tells
	// from is where the watches of some clusters go on that have not begun yet.
	from map[subjects.ClusterRef]string
}

// own are parameters of the path that the bridge sets itself.
var own = []string{
	"watch", "resourceVersion", "resourceVersionMatch", "allowWatchBookmarks", "sendInitialEvents", "limit", "continue", "timeoutSeconds", "follow",
}

// readQuery reads the query of a request.
func readQuery(raw string) (*query, *answer.Failure) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, answer.Failf(answer.BadRequest, "the query cannot be read: %s", answer.Clip(err.Error()))
	}
	q := &query{}
	for name, all := range values {
		if len(all) > 1 {
			return nil, answer.Failf(answer.BadRequest, "%s: given %d times, want it once", answer.Clip(name), len(all))
		}
		var f *answer.Failure
		switch name {
		case "path":
			f = q.readPath(all[0])
		case "clusters":
			q.named, f = readNames(all[0])
		case "from":
			q.from, f = readFrom(all[0])
		case "selector", "tenant", "state":
			q.selection, f = inventory.ParseSelection("selector", values.Get("selector"), values.Get("tenant"), values.Get("state"))
		default:
			f = answer.Failf(answer.BadRequest, "unknown parameter %q; there are path, clusters, selector, tenant, state and from. Those of the resource, such as labelSelector, are part of path, which is percent-encoded", answer.Clip(name))
		}
		if f != nil {
			return nil, f
		}
	}
	switch {
	case q.path == "":
		return nil, endpoint.Absolute("")
	case q.named != nil && q.selection != nil:
		return nil, answer.Failf(answer.BadRequest, "clusters: give their names, or a selector, tenant or state, but not both")
	case q.named == nil && q.selection == nil:
		return nil, answer.Failf(answer.BadRequest, "clusters: none given; want their names, separated by commas, or selector=, which selects every cluster if it is empty")
	}
	return q, nil
}

// readPath reads which resource is watched.
func (q *query) readPath(text string) *answer.Failure {
	if len(text) > maxPath {
		return answer.Failf(answer.BadRequest, "path: longer than %d bytes", maxPath)
	}
	if f := endpoint.Absolute(text); f != nil {
		return f
	}
	path, parameters, _ := strings.Cut(text, "?")
	u, err := url.ParseRequestURI(text)
	if err != nil || strings.Contains(text, "#") || strings.Contains(path, "%") {
		return answer.Failf(answer.BadRequest, "path: want the path of a list, such as /api/v1/pods, and perhaps a query")
	}
	if subjects.IsLong("GET", text) || !listPath(u.Path) {
		return answer.Failf(answer.BadRequest, "path: want that of a list, such as /api/v1/pods; the bridge makes the watch of it")
	}
	values, err := url.ParseQuery(parameters)
	if err != nil {
		return answer.Failf(answer.BadRequest, "path: the query cannot be read")
	}
	for _, name := range own {
		if values.Has(name) {
			return answer.Failf(answer.BadRequest, "path: the bridge sets %s itself", name)
		}
	}
	q.path = path + "?"
	if len(values) > 0 {
		q.path += values.Encode() + "&"
	}
	return nil
}

// listPath reports whether a path may be that of a list of Kubernetes: a resource of a
// group, perhaps in a namespace.
func listPath(path string) bool {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch {
	case slices.Contains(parts, "") || slices.Contains(parts, "..") || slices.Contains(parts, "."):
		return false
	case parts[0] == "api" && len(parts) > 2:
		parts = parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		parts = parts[3:]
	default:
		return false
	}
	return len(parts) == 1 || len(parts) == 3 && parts[0] == "namespaces"
}

// readNames reads the names of clusters.
func readNames(text string) ([]subjects.ClusterRef, *answer.Failure) {
	names := strings.Split(text, ",")
	if len(names) > maxClusters {
		return nil, answer.Failf(answer.BadRequest, "clusters: %d names, want at most %d", len(names), maxClusters)
	}
	all := make([]subjects.ClusterRef, 0, len(names))
	seen := make(map[subjects.ClusterRef]bool, len(names))
	for _, name := range names {
		ref, err := subjects.ParseClusterRef(name)
		if err != nil {
			return nil, answer.Failf(answer.BadClusterName, "clusters: %q is not the name of a cluster", answer.Clip(name))
		}
		if seen[ref] {
			return nil, answer.Failf(answer.BadRequest, "clusters: %q is there twice", answer.Clip(name))
		}
		seen[ref] = true
		all = append(all, ref)
	}
	return all, nil
}

// readFrom reads where watches go on: cluster:version, separated by commas.
func readFrom(text string) (map[subjects.ClusterRef]string, *answer.Failure) {
	parts := strings.Split(text, ",")
	if len(parts) > maxClusters {
		return nil, answer.Failf(answer.BadRequest, "from: %d clusters, want at most %d", len(parts), maxClusters)
	}
	all := make(map[subjects.ClusterRef]string, len(parts))
	for _, part := range parts {
		name, version, _ := strings.Cut(part, ":")
		ref, err := subjects.ParseClusterRef(name)
		if err != nil || !validVersion(version) || all[ref] != "" {
			return nil, answer.Failf(answer.BadRequest, "from: want each cluster once as CLUSTER:RESOURCEVERSION, separated by commas; %q is not that", answer.Clip(part))
		}
		all[ref] = version
	}
	return all, nil
}

// validVersion reports whether a text may be a resource version: opaque, but a number
// everywhere. Version 0 is any, from which nothing can be resumed.
func validVersion(text string) bool {
	return text != "" && text != "0" && len(text) <= 128 && strings.Trim(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-") == ""
}
