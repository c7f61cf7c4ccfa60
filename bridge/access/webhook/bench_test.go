package webhook

import (
	"net/http"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// BenchmarkKept is what a request costs whose answers are kept.
func BenchmarkKept(b *testing.B) {
	f := newFake(b, tokens{"alice": authenticationv1.UserInfo{Username: "alice"}}.answer)
	x, err := NewTokenReview(TokenReviewConfig{Kubeconfig: f.kubeconfig}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	r := request("alice")
	b.Run("token review", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := x.Authenticate(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	f.set(rules{"get clusters acme/prod": true, "get /version": true}.answer)
	a, err := NewAccessReview(AccessReviewConfig{Kubeconfig: f.kubeconfig, As: callersOwn}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	req := &access.Request{Cluster: prod, Method: http.MethodGet, Target: "/version"}
	b.Run("access review", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := a.Authorize(b.Context(), alice, req); err != nil {
				b.Fatal(err)
			}
		}
	})
}
