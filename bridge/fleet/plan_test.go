package fleet

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

// FuzzPlan: whatever a caller sends is refused with a reason, or is within the bounds.
func FuzzPlan(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `[]`, `null`, `{"clusters": null, "path": "/"}`, example,
		`{"clusters": ["a", "a.default"], "path": "/"}`, `{"clusters": ["..", "", "a.b.c"], "path": "//x"}`,
		`{"clusters": ["a"], "path": "/", "timeout": "1e9h", "deadline": "-1s"}`,
		`{"clusters": ["a"], "path": "/", "concurrency": -9223372036854775808, "maxResponseBytes": 9223372036854775807}`,
		`{"clusters": ["a"], "path": "/", "headers": {"a\r\n": ["b"]}, "responseHeaders": ["", "é"]}`,
		`{"selector": "a in (b),!c", "tenant": "acme", "state": "online", "path": "/"}`,
		`{"clusters": ["a"], "path": "/", "body": {"a": [1e999]}, "bodyBase64": "%%"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/v1/requests", strings.NewReader(body))
		var c api.FleetCall
		var p *plan
		failed := endpoint.ReadJSON(httptest.NewRecorder(), r, &c, maxRequest, example)
		if failed == nil {
			p, failed = readPlan(&c)
		}
		if failed != nil {
			if failed.Kind.Status/100 != 4 || failed.Detail == "" {
				t.Fatalf("%q: %v", body, failed)
			}
			return
		}
		if n := len(p.choice.targets); n < 1 && p.choice.selection == nil || n > maxClusters || p.concurrency < 1 || p.concurrency > maxConcurrency ||
			p.most < 1 || p.most > maxResponse || p.deadline <= 0 || p.deadline > maxDeadline ||
			p.concurrency > 1 && p.concurrency*len(p.request.Body) > poolBytes || p.over.TimeLimit.After <= 0 {
			t.Fatalf("%q: %+v", body, p)
		}
	})
}
