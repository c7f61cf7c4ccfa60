package bridge

import (
	"strings"
	"testing"
)

func TestAccessLogAndMetrics(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", hello)
	req := r.request("GET", "/k8s/clusters/prod/api/v1/namespaces/x/pods/y/exec?command=secret", nil)
	req.Header.Set("X-Request-Id", "id-1")
	r.do(r.h1, req)
	_, _ = r.do(r.h1, r.request("GET", "/k8s/clusters/nobody/x", nil))
	r.eventually("both are logged", func() bool { return strings.Count(r.log.String(), "msg=request") == 2 })
	lines := strings.Split(r.log.String(), "\n")
	var ok, failed string
	for _, l := range lines {
		switch {
		case strings.Contains(l, "request_id=id-1"):
			ok = l
		case strings.Contains(l, "failure=cluster-never-connected"):
			failed = l
		}
	}
	for _, want := range []string{"level=DEBUG", "method=GET", "status=200", "caller=admin", "cluster=prod", "sent=5", "/pods/y/exec"} {
		if !strings.Contains(ok, want) {
			t.Errorf("log line %q lacks %s", ok, want)
		}
	}
	if !strings.Contains(failed, "level=INFO") || !strings.Contains(failed, "status=503") {
		t.Errorf("log line of a failure %q", failed)
	}
	if strings.Contains(r.log.String(), "command=secret") {
		t.Error("a query is in the log")
	}
	for name, want := range map[string]float64{
		"fairlead_bridge_requests_total": 2, "fairlead_bridge_failures_total": 1, "fairlead_bridge_requests_in_flight": 0,
		"fairlead_bridge_request_duration_seconds": 2, "fairlead_bridge_connected_clusters": 1, "fairlead_bridge_streams": 0,
	} {
		r.eventually(name, func() bool { return r.metric(name) == want })
	}
}
