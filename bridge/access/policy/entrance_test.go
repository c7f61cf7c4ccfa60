package policy

import (
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/subjects"
)

// To decide about a visit and a request at once is the same as one after the other.
func TestVisitsAndRequestsAreDecidedAtOnce(t *testing.T) {
	x := newAllRig(t)
	a := x.policy.Rules().Authorizer.(authorizer)
	visible, allowed := 0, 0
	for _, name := range []string{"granted", "odd", "alice", "bob", "nobody"} {
		for _, pattern := range []string{"", "lab", "*"} {
			c := &access.Caller{Name: name, Method: access.MethodToken}
			if pattern != "" {
				p, err := access.ParsePattern(pattern)
				if err != nil {
					t.Fatal(err)
				}
				c.Clusters = []access.Pattern{p}
			}
			for _, cluster := range []string{"prod", "lab", "other"} {
				for _, as := range []*subjects.Identity{nil, {User: "other"}, {User: "root"}} {
					for _, target := range []string{"/version", "/api/v1/namespaces/a/secrets", "/api/v1/%zz"} {
						request := func() *access.Request {
							return &access.Request{Cluster: subjects.ClusterRef{Tenant: "default", Cluster: cluster}, Method: "GET", Target: target, As: as}
						}
						req := request()
						want, wantErr := a.View(t.Context(), c, req.Cluster)
						var decision *access.Decision
						if want && wantErr == nil {
							decision, wantErr = a.Authorize(t.Context(), c, req)
						}
						got, d, err := a.AuthorizeVisit(t.Context(), c, request())
						if got != want || text(err) != text(wantErr) || (d == nil) != (decision == nil) ||
							d != nil && (d.Grant != decision.Grant || !d.As.Equal(decision.As)) {
							t.Errorf("%s of %q at %s as %v: %s: %v, %+v, %v, want %v, %+v, %v", name, pattern, cluster, as, target,
								got, d, err, want, decision, wantErr)
						}
						if got {
							visible++
						}
						if d != nil {
							allowed++
						}
					}
				}
			}
		}
	}
	if visible == 0 || allowed == 0 || allowed == visible {
		t.Errorf("%d are visible, %d are allowed", visible, allowed)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
