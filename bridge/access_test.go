package bridge

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("acme", "prod", hello)
	for _, tt := range []struct {
		name, auth, path string
		want             *answer.Kind
	}{
		{"nothing", "", "/k8s/clusters/prod.acme/x", answer.Unauthenticated},
		{"basic", "Basic dTpw", "/k8s/clusters/prod.acme/x", answer.Unauthenticated},
		{"wrong", "Bearer fl_wrong", "/k8s/clusters/prod.acme/x", answer.Unauthenticated},
		{"nothing, odd name", "", "/k8s/clusters/PROD/x", answer.Unauthenticated},
		{"no grant", "Bearer " + r.acme, "/k8s/clusters/prod/x", answer.Forbidden},
		{"no grant, unknown tenant", "Bearer " + r.acme, "/k8s/clusters/prod.nobody/x", answer.Forbidden},
		{"grant", "Bearer " + r.acme, "/k8s/clusters/prod.acme/x", nil},
		{"nothing", "", "/v1/clusters", answer.Unauthenticated},
		{"nothing", "", "/v1/clusters/prod.acme", answer.Unauthenticated},
		{"nothing", "", "/v1/clusters/prod.acme/kubeconfig", answer.Unauthenticated},
		{"no grant", "Bearer " + r.acme, "/v1/clusters/prod", answer.Forbidden},
		{"no grant", "Bearer " + r.acme, "/v1/clusters/prod/kubeconfig", answer.Forbidden},
		{"grant", "Bearer " + r.acme, "/v1/clusters/prod.acme", nil},
	} {
		req := r.request("GET", tt.path, nil)
		req.Header.Del("Authorization")
		if tt.auth != "" {
			req.Header.Set("Authorization", tt.auth)
		}
		res, body := r.do(r.h2, req)
		if tt.want == nil {
			if res.StatusCode != 200 {
				t.Errorf("%s %s: %d %s", tt.name, tt.path, res.StatusCode, body)
			}
			continue
		}
		wantFailure(t, res, body, tt.want)
		if tt.want == answer.Unauthenticated && res.Header.Get("Www-Authenticate") != "Bearer" {
			t.Errorf("%s: no challenge", tt.name)
		}
	}
	if log := r.log.String(); strings.Contains(log, r.acme) || strings.Contains(log, r.token) {
		t.Error("a token is in the log")
	}
}
