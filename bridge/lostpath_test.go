package bridge

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/net"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// TestClientsThatLostThePath: a plain 'kubectl proxy' asks the root for a
// cluster's API. It must show a person what to do, so the answer is a Status,
// with a warning where kubectl drops its message.
func TestClientsThatLostThePath(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	for path, warned := range map[string]bool{
		"/api": true, "/apis": true, "/api/v1/namespaces": true, "/apis/apps/v1": true, "/version": true, "/openapi/v2": true,
	} {
		res, body := r.do(r.h2, r.request("GET", path, nil))
		s := decode[answer.Status](t, body)
		if res.StatusCode != 404 || s.Kind != "Status" || s.Code != 404 || !strings.Contains(s.Message, "--append-server-path") {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
		warnings, errs := net.ParseWarningHeaders(res.Header["Warning"])
		if len(errs) > 0 || (len(warnings) == 1 && warnings[0].Text == s.Message) != warned {
			t.Errorf("%s: warnings %v %v, want one: %v", path, warnings, errs, warned)
		}
	}
	res, body := r.do(r.h2, r.request("GET", "/apiary", nil))
	wantFailure(t, res, body, answer.NotFound)
}

// TestClusterTokensAreNamed: tools that make a service account and use its token
// at the bridge learn that it is one of a cluster. kubectl shows no message of a
// 401, but warnings.
func TestClusterTokensAreNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	for token, named := range map[string]bool{
		"eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJ4In0.c2ln": true,
		"fl_wrong": false, "a.b.c": false, "eyJhbGciOiJSUzI1NiJ9": false, "eyJhbGciOiJSUzI1NiJ9.a.b.c.d": false, "e30.e30.": false,
	} {
		req := r.request("GET", "/k8s/clusters/prod/api/v1/pods", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		res, body := r.do(r.h2, req)
		s := wantFailure(t, res, body, answer.Unauthenticated)
		if strings.Contains(s.Message, "service account token") != named {
			t.Errorf("%s: %s", token, s.Message)
		}
		if warnings, errs := net.ParseWarningHeaders(res.Header["Warning"]); len(errs) > 0 || len(warnings) != 1 || warnings[0].Text != s.Message {
			t.Errorf("%s: warnings %v, %v", token, warnings, errs)
		}
	}
}
