package openapitest

import (
	"context"
	"net/http"
	"strings"
)

// Transport returns a transport that checks what next carries, and reports each fault by
// a call of report, of any goroutine that sends a request or reads a response.
func (d *Document) Transport(next http.RoundTripper, report func(fault string)) http.RoundTripper {
	return &transport{doc: d, next: next, report: report}
}

type transport struct {
	doc    *Document
	next   http.RoundTripper
	report func(fault string)
}

// CloseIdleConnections lets [http.Client.CloseIdleConnections] reach the connections.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.doc.concerns(req) {
		return t.next.RoundTrip(req)
	}
	res, err := t.next.RoundTrip(req)
	if err != nil {
		return res, err
	}
	e := &exchange{transport: t, req: req, res: res, op: t.doc.find(req.Method, req.URL.EscapedPath())}
	if passedOn(req) {
		if res.Header.Get("Fairlead-Error") == "" {
			return res, nil // it is the API server's
		}
		e.op = t.doc.find(http.MethodGet, clusterPath)
	}
	e.checkHead()
	if e.described == nil || req.Method == http.MethodHead || res.StatusCode == http.StatusSwitchingProtocols {
		return res, nil
	}
	if res.StatusCode < 300 {
		e.checkRequest()
	}
	res.Body = e.watch(res.Body)
	return res, nil
}

// concerns reports whether a request is one of the API: other hosts and the clusters' own
// paths are not.
func (d *Document) concerns(req *http.Request) bool {
	if req.Method == http.MethodOptions || req.Host != "" && req.Host != req.URL.Host {
		return false
	}
	path := req.URL.EscapedPath()
	return strings.HasPrefix(path, "/v1/") || passedOn(req) || d.find(req.Method, path) != nil
}

// clusterPath stands for all paths of all clusters. As a pattern it matches itself.
const clusterPath = "/k8s/clusters/{cluster}/{path}"

// passedOn reports whether a request is one to the API server of a cluster. Of those only
// what the bridge itself answers is described.
func passedOn(req *http.Request) bool {
	return strings.HasPrefix(req.URL.EscapedPath(), "/k8s/clusters/")
}

// find returns the operation of a path, nil if it has none.
func (d *Document) find(method, path string) *operation {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, op := range d.operations {
		if op.method == method && matches(op.path, path) {
			return op
		}
	}
	return nil
}

func matches(pattern, path string) bool {
	want, is := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(is) {
		return false
	}
	for i, w := range want {
		if strings.HasPrefix(w, "{") {
			if is[i] == "" {
				return false
			}
		} else if w != is[i] {
			return false
		}
	}
	return true
}

type anyQuery struct{}

// WithAnyQuery marks a request that has query parameters on purpose that are not described.
func WithAnyQuery(ctx context.Context) context.Context {
	return context.WithValue(ctx, anyQuery{}, true)
}
