package bridge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-io/fairlead/deploy/tracing/tracingtest"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// reviewer is a service that reviews: it knows the tokens that begin with "known-" and
// allows everything, or nothing. What it does not know it shows.
type reviewer struct {
	kubeconfig string
	denies     bool
	mu         sync.Mutex
	parents    map[string][]string // traceparent by kind of review
	accesses   int                 // that were reviewed
}

// newReviewer starts a service that gets this token from the bridge.
func newReviewer(t *testing.T, token string) *reviewer {
	t.Helper()
	v := &reviewer{kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"), parents: map[string][]string{}}
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	content := fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}], "+
		"users: [{name: u, user: {token: %q}}], clusters: [{name: c, cluster: {server: %q}}]}", token, server.URL+"/review")
	if err := os.WriteFile(v.kubeconfig, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *reviewer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var review map[string]any
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.parents[review["kind"].(string)] = r.Header["Traceparent"]
	token, is := review["spec"].(map[string]any)["token"].(string)
	switch {
	case !is:
		v.accesses++
		review["status"] = map[string]any{"allowed": !v.denies}
	case strings.HasPrefix(token, "broken-"):
		w.WriteHeader(http.StatusForbidden)
		return
	case strings.HasPrefix(token, "known-"):
		review["status"] = map[string]any{"authenticated": true, "user": map[string]any{"username": token}}
	default:
		review["status"] = map[string]any{"error": "nobody knows " + token + " or " + r.Header.Get("Authorization")}
	}
	_ = json.NewEncoder(w).Encode(review)
}

// parent is the traceparent of the last review of a kind.
func (v *reviewer) parent(kind string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return strings.Join(v.parents[kind], ",")
}

// reviewed is how many accesses were reviewed.
func (v *reviewer) reviewed() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.accesses
}

func (v *reviewer) section() string {
	return fmt.Sprintf("authentication:\n  tokenReview: {kubeconfig: %q}\nauthorization:\n  subjectAccessReview: {kubeconfig: %[1]q, as: {agent: true}}\n", v.kubeconfig)
}

// TestSpansOfReviews: what a request waits for at other services is in its trace, and
// what is known already costs no span.
func TestSpansOfReviews(t *testing.T) {
	v := newReviewer(t, "of-the-bridge")
	file := newAccessFile(t, v.section())
	r, c := tracedRig(t, rigOptions{config: file.configure}, "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0")
	r.agent("default", "prod", hello)
	ask := func(id, token string, sampled bool, want int) {
		t.Helper()
		req := named(r.request("GET", "/k8s/clusters/prod/api/v1/pods", nil), id)
		req.Header.Set("Authorization", "Bearer "+token)
		if sampled {
			req.Header.Set("Traceparent", callersParent)
		}
		if res, body := r.do(r.h1, req); res.StatusCode != want {
			t.Fatalf("%s: %d %s", id, res.StatusCode, body)
		}
	}
	ask("unsampled", "known-zoe", false, 200)
	if got := v.parent("TokenReview") + v.parent("SubjectAccessReview"); got != "" {
		t.Errorf("what is not sampled tells the service of %q", got)
	}
	ask("first", "known-amy", true, 200)
	ask("again", "known-amy", true, 200)
	ask("broken", "broken-token", true, 503)
	server := func(id string) tracingtest.Span {
		return c.Wait(t, id, func(s tracingtest.Span) bool { return s.Kind == "SERVER" && s.Attributes["fairlead.request.id"] == id })
	}
	first, again, broken := server("first"), server("again"), server("broken")
	for _, kind := range []string{"TokenReview", "SubjectAccessReview"} {
		s := c.Wait(t, kind, func(s tracingtest.Span) bool { return s.Name == "POST "+kind && s.Parent == first.ID })
		if s.Kind != "CLIENT" || s.Status != "UNSET" || s.Attributes["http.response.status_code"] != "200" || s.Attributes["server.address"] != "127.0.0.1" ||
			s.Attributes["url.path"] != "/review" || len(s.Attributes["server.port"]) < 2 {
			t.Errorf("%s: %+v", kind, s)
		}
	}
	// The last access that was reviewed is the request's own; whether the cluster may be
	// known of was before it.
	c.Wait(t, "the span that the service was told of", func(s tracingtest.Span) bool {
		return s.Parent == first.ID && v.parent("SubjectAccessReview") == "00-"+callersTrace+"-"+s.ID+"-01"
	})
	failed := c.Wait(t, "the review that failed", func(s tracingtest.Span) bool { return s.Parent == broken.ID })
	if failed.Status != "ERROR" || failed.Attributes["error.type"] != "review-unreachable" || failed.Attributes["http.response.status_code"] != "403" {
		t.Errorf("%+v", failed)
	}
	for _, s := range c.Spans() {
		if s.Parent == again.ID && s.Name != "tunnel GET" {
			t.Errorf("an answer that is kept has the span %+v", s)
		}
	}
}

// TestSpansOfIssuers: readings of an issuer's keys are traces of their own, with both
// requests, and say when they fail.
func TestSpansOfIssuers(t *testing.T) {
	i, down := issuer.ForTest(t), issuer.ForTest(t)
	down.Stop()
	file := newAccessFile(t, i.Section("ci")+down.Entry("other", "claims.sub"))
	_, c := tracedRig(t, rigOptions{config: file.configure})
	reading := func(name string) tracingtest.Span {
		return c.Wait(t, name, func(s tracingtest.Span) bool {
			return s.Name == "read issuer keys" && s.Attributes["fairlead.issuer"] == name
		})
	}
	good, bad := reading("ci"), reading("other")
	if good.Parent != "" || good.Status != "UNSET" || good.Kind != "INTERNAL" || bad.Status != "ERROR" || bad.Attributes["error.type"] != "issuer-unreachable" {
		t.Errorf("%+v\n%+v", good, bad)
	}
	for _, path := range []string{issuer.PathDiscovery, "/keys"} {
		s := c.Wait(t, path, func(s tracingtest.Span) bool { return s.Parent == good.ID && s.Attributes["url.path"] == path })
		if s.Kind != "CLIENT" || s.Name != "GET" || s.Attributes["http.response.status_code"] != "200" || s.Trace != good.Trace {
			t.Errorf("%+v", s)
		}
	}
}
