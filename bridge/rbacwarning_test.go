package bridge

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/net"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// actAs lets every caller act as one user.
type actAs struct {
	access.TokenClusters
	as *subjects.Identity
}

func (a actAs) Authorize(context.Context, *access.Caller, *access.Request) (*access.Decision, error) {
	return &access.Decision{Grant: "jobs", As: a.as}, nil
}

// A refusal by the cluster's own access control carries a warning that kubectl
// prints: as whom the request was executed, and what would allow it. Other answers,
// and those of a server behind /proxy/, carry none.
func TestRBACRefusalCarriesAWarning(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{config: func(c *Config) {
		c.Authorizer = actAs{as: &subjects.Identity{User: "gitlab:acme/shop", Groups: []string{"ci"}}}
	}})
	const body = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods is forbidden: ` +
		`User \"gitlab:acme/shop\" cannot list resource \"pods\" in API group \"\" in the namespace \"shop\"","reason":"Forbidden","code":403}`
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		status := 403
		if strings.Contains(head.Target, "ok=1") {
			status = 200
		}
		reply(s, status, body, "Content-Type", "application/json", "Warning", `299 - "of the API server"`)
	})
	warnings := func(h http.Header) (texts []string) {
		all, errs := net.ParseWarningHeaders(h["Warning"])
		if len(errs) > 0 {
			t.Errorf("warnings %v", errs)
		}
		for _, w := range all {
			texts = append(texts, w.Text)
		}
		return texts
	}
	const path = "/api/v1/namespaces/shop/"
	for target, want := range map[string]bool{
		path + "pods": true, path + "pods?ok=1": false, path + "services/web/proxy/x": false, "/metrics": false,
	} {
		headers := map[string]http.Header{}
		r.both(t, func(t *testing.T, c *http.Client) {
			res, _ := r.do(c, r.request("GET", "/k8s/clusters/prod"+target, nil))
			headers[t.Name()] = res.Header
		})
		_, text := r.call(`{"path":"` + target + `"}`)
		var result api.CallResult
		if err := json.Unmarshal([]byte(text), &result); err != nil {
			t.Fatal(err)
		}
		headers["call"] = result.Headers
		for name, h := range headers {
			got := warnings(h)
			wanted := []string{"of the API server"}
			if want && len(got) > 1 {
				wanted = append(wanted, got[1])
			}
			if !slices.Equal(got, wanted) || want && (len(got) != 2 || !strings.HasPrefix(got[1], `Kubernetes RBAC of cluster "prod" refused this request. `+
				`It was executed as user "gitlab:acme/shop" in groups "ci". To allow it: kubectl create rolebinding `)) {
				t.Errorf("%s over %s: warnings %q", target, name, got)
			}
		}
	}
}
