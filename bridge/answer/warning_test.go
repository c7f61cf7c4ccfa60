package answer

import (
	"net/http/httptest"
	"testing"

	"k8s.io/apimachinery/pkg/util/net"
)

// TestDiscoveryFailuresCarryAWarning: a kubectl with nothing cached shows no
// body of such a failure.
func TestDiscoveryFailuresCarryAWarning(t *testing.T) {
	const detail = `cluster "a\b" is offline`
	for path, want := range map[string]bool{
		"/k8s/clusters/prod/api":                  true,
		"/k8s/clusters/prod/apis?timeout=32s":     true,
		"/k8s/clusters/prod/api/v1/pods?x=/api":   false,
		"/k8s/clusters/prod/apis/apps/v1":         false,
		"/k8s/clusters/prod/api/v1/namespaces/ap": false,
	} {
		w := httptest.NewRecorder()
		Fail(w, httptest.NewRequest("GET", path, nil), &Record{}, StatusBody, Failf(Offline, "%s", detail))
		warnings, errs := net.ParseWarningHeaders(w.Header()["Warning"])
		if len(errs) > 0 || (len(warnings) == 1 && warnings[0].Text == detail) != want {
			t.Errorf("%s: warnings %+v, %v, want one with the detail: %v", path, warnings, errs, want)
		}
	}
}
