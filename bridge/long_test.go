package bridge

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Text that callers choose freely can be a megabyte long. It must fill neither logs
// nor answers.
func TestLongInputIsCut(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	long := strings.Repeat("x", 500_000)
	const bound = 4 * answer.MaxShown
	for what, req := range map[string]*http.Request{
		"path":         r.request("GET", "/"+long, nil),
		"cluster":      r.request("GET", "/k8s/clusters/"+long+"/x", nil),
		"API path":     r.request("GET", "/v1/clusters/"+long+"/y", nil),
		"method":       r.request(long, "/v1/clusters/"+long, nil),
		"API cluster":  r.request("GET", "/v1/clusters/"+long, nil),
		"unknown key":  r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"`+long+`":1}`)),
		"header":       r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"path":"/","headers":{"`+long+` ":"b"}}`)),
		"impersonated": r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"path":"/","headers":{"Impersonate-Extra-`+long+`":"b"}}`)),
		"target":       r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"path":"`+long+`"}`)),
		"called method": r.request("POST", "/v1/clusters/prod/requests",
			strings.NewReader(`{"path":"/","method":"`+long+` "}`)),
		"timeout": r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"path":"/","timeout":"`+long+`"}`)),
	} {
		res, body := r.do(r.h1, req)
		if res.StatusCode < 400 || len(body) > bound || strings.Contains(body, strings.Repeat("x", answer.MaxShown+1)) {
			t.Errorf("%s: %d, an answer of %d bytes", what, res.StatusCode, len(body))
		}
	}
	_, br := r.raw("GET " + long + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if b, _ := io.ReadAll(br); len(b) > bound {
		t.Errorf("no path: an answer of %d bytes", len(b))
	}
	for line := range strings.Lines(r.log.String()) {
		if len(line) > 2*bound { // several of them
			t.Errorf("a log line of %d bytes: %.200s", len(line), line)
		}
	}
}
