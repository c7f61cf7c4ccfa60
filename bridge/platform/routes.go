package platform

import (
	"net/http"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// route is one of the platform API's, as openapi.yaml has it.
type route struct {
	method, path string
	serve        func(p *Platform, w http.ResponseWriter, r *http.Request, rec *answer.Record, at place)
}

// routes are matched in order. A segment in braces matches any one that is not empty;
// [place] has its text.
var routes = []route{
	{http.MethodGet, "/openapi.yaml", (*Platform).getOpenAPI},
	{http.MethodGet, "/livez", (*Platform).getLivez},
	{http.MethodGet, "/readyz", (*Platform).getReadyz},
	{http.MethodGet, "/v1/clusters", (*Platform).listClusters},
	{http.MethodGet, "/v1/clusters/{cluster}", (*Platform).getCluster},
	{http.MethodGet, "/v1/clusters/{cluster}/kubeconfig", (*Platform).getKubeconfig},
	{http.MethodPost, "/v1/clusters/{cluster}/requests", (*Platform).postRequest},
	{http.MethodPost, "/v1/clusters/{cluster}/access-reviews", (*Platform).postAccessReview},
	{http.MethodGet, "/v1/whoami", (*Platform).whoami},
	{http.MethodGet, "/v1/access-requests", (*Platform).listAccessRequests},
	{http.MethodPost, "/v1/access-requests", (*Platform).postAccessRequest},
	{http.MethodGet, "/v1/access-requests/{id}", (*Platform).getAccessRequest},
	{http.MethodPost, "/v1/access-requests/{id}/approve", (*Platform).approveAccessRequest},
	{http.MethodPost, "/v1/access-requests/{id}/deny", (*Platform).denyAccessRequest},
	{http.MethodPost, "/v1/access-requests/{id}/end", (*Platform).endAccessRequest},
}

// place is what a path names. What the route has no segment for is "".
type place struct {
	// cluster is as it was sent: package access checks it, after the caller.
	cluster string
	// namespace and name are of an object of Kubernetes, decoded and valid.
	namespace, name string
	// id is as it was sent, of an object of the platform, which is looked up by it.
	id string
}

// match reports whether path is the route's, and what is named in it.
func (rt *route) match(path string) (at place, ok bool) {
	pattern := rt.path
	for more := true; more; {
		var want, is string
		want, pattern, more = strings.Cut(pattern, "/")
		rest := false
		is, path, rest = strings.Cut(path, "/")
		if rest != more {
			return place{}, false
		}
		if !strings.HasPrefix(want, "{") {
			if is != want {
				return place{}, false
			}
			continue
		}
		if is == "" {
			return place{}, false
		}
		*at.segment(want) = is
	}
	return at, true
}

// segment is where the text of a segment of a route is kept, such as {cluster}.
func (at *place) segment(of string) *string {
	switch of {
	case "{cluster}":
		return &at.cluster
	case "{namespace}":
		return &at.namespace
	case "{name}":
		return &at.name
	case "{id}":
		return &at.id
	}
	panic("platform: a route has the unknown segment " + of)
}

// checked decodes and checks what is named of Kubernetes: it becomes a part of the path
// that the API server gets.
func (at place) checked() (place, *answer.Failure) {
	for _, c := range []struct {
		what  string
		value *string
		valid func(string) []string
	}{
		{"namespace", &at.namespace, validation.IsDNS1123Label},
		{"name", &at.name, validation.IsDNS1123Subdomain},
	} {
		if *c.value == "" {
			continue
		}
		text, err := url.PathUnescape(*c.value)
		if err != nil {
			return place{}, answer.Failf(answer.BadRequest, "%s in the path: %q is not a percent-encoded text", c.what, answer.Clip(*c.value))
		}
		if wrong := c.valid(text); len(wrong) > 0 {
			return place{}, answer.Failf(answer.BadRequest, "%s %q in the path: %s", c.what, answer.Clip(text), strings.Join(wrong, "; "))
		}
		*c.value = text
	}
	return at, nil
}
