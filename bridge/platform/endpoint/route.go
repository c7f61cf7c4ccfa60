package endpoint

import (
	"net/http"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Route is one of the platform API's, as openapi.yaml has it.
type Route struct {
	Method string
	// Path is the pattern of its paths. A segment in braces matches any one that is not
	// empty: {cluster}, {namespace}, {name} or {id}; [Place] has its text.
	Path  string
	Serve Serve
}

// Serve answers a request, of which it notes in rec what log, metrics and audit say. Many
// goroutines call it at once.
type Serve func(w http.ResponseWriter, r *http.Request, rec *answer.Record, at Place)

// Get is a route for GET and HEAD.
func Get(path string, serve Serve) Route { return Route{http.MethodGet, path, serve} }

// Post is a route for POST.
func Post(path string, serve Serve) Route { return Route{http.MethodPost, path, serve} }

// Put is a route for PUT.
func Put(path string, serve Serve) Route { return Route{http.MethodPut, path, serve} }

// Delete is a route for DELETE.
func Delete(path string, serve Serve) Route { return Route{http.MethodDelete, path, serve} }

// Place is what a path names. What the route has no segment for is "".
type Place struct {
	// Cluster is as it was sent: package access checks it, after the caller.
	Cluster string
	// Namespace and Name are of an object of Kubernetes, decoded and valid.
	Namespace, Name string
	// ID is as it was sent, of an object of the platform, which is looked up by it.
	ID string
}

// Match reports whether path is the route's, and what is named in it.
func (rt *Route) Match(path string) (at Place, ok bool) {
	pattern := rt.Path
	for more := true; more; {
		var want, is string
		want, pattern, more = strings.Cut(pattern, "/")
		rest := false
		is, path, rest = strings.Cut(path, "/")
		if rest != more {
			return Place{}, false
		}
		if !strings.HasPrefix(want, "{") {
			if is != want {
				return Place{}, false
			}
			continue
		}
		if is == "" {
			return Place{}, false
		}
		*at.segment(want) = is
	}
	return at, true
}

// segment is where the text of a segment of a route is kept, such as {cluster}.
func (at *Place) segment(of string) *string {
	switch of {
	case "{cluster}":
		return &at.Cluster
	case "{namespace}":
		return &at.Namespace
	case "{name}":
		return &at.Name
	case "{id}":
		return &at.ID
	}
	panic("endpoint: a route has the unknown segment " + of)
}

// Checked decodes and checks what is named of Kubernetes: it becomes a part of the path
// that the API server gets.
func (at Place) Checked() (Place, *answer.Failure) {
	for _, c := range []struct {
		what  string
		value *string
		valid func(string) []string
	}{
		{"namespace", &at.Namespace, validation.IsDNS1123Label},
		{"name", &at.Name, validation.IsDNS1123Subdomain},
	} {
		if *c.value == "" {
			continue
		}
		text, err := url.PathUnescape(*c.value)
		if err != nil {
			return Place{}, answer.Failf(answer.BadRequest, "%s in the path: %q is not a percent-encoded text", c.what, answer.Clip(*c.value))
		}
		if wrong := c.valid(text); len(wrong) > 0 {
			return Place{}, answer.Failf(answer.BadRequest, "%s %q in the path: %s", c.what, answer.Clip(text), strings.Join(wrong, "; "))
		}
		*c.value = text
	}
	return at, nil
}
