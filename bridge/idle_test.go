package bridge

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
)

// TestFirstRequestAfterIdleTime: a request that finds its tenant's connection
// closed, because no one used it for a while, is answered like every other.
func TestFirstRequestAfterIdleTime(t *testing.T) {
	r := newRig(t, rigOptions{
		idle: 20 * time.Millisecond,
		// However short a time requests wait for a connection that was lost.
		directory: directory.Config{ReconnectGrace: time.Millisecond},
	})
	r.agent("default", "prod", echoBody)
	for _, req := range []*http.Request{
		r.request("POST", "/k8s/clusters/prod/x", strings.NewReader("hello")),
		r.request("GET", "/k8s/clusters/prod/x", nil),
		r.request("GET", "/v1/clusters/prod", nil),
		r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"path": "/version"}`)),
		r.request("GET", "/v1/clusters", nil),
	} {
		r.eventually("the idle connection is closed", func() bool { return r.nats.NumClients() == 1 }) // the agent's remains
		res, body := r.do(r.h1, req)
		if res.StatusCode != 200 || strings.Contains(body, "offline") {
			t.Errorf("%s %s: %d %s", req.Method, req.URL.Path, res.StatusCode, body)
		}
	}
}
