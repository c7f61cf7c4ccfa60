package access

import (
	"net/http"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
)

var upgrade = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}

// A session is judged by what the API server makes of the request. A query that the
// server ignores makes a session neither a watch that need not be recorded, nor a
// request a stream that has no turn before a busy cluster.
func TestClaimsOfRequests(t *testing.T) {
	const pod = "/api/v1/namespaces/a/pods/p"
	for _, tt := range []struct {
		method, target string
		header         http.Header
		recording      recording
		stream         bool
	}{
		{"GET", "/api/v1/pods", nil, notASession, false},
		{"GET", "/api/v1/pods?watch=1", nil, notASession, true},
		{"GET", "/api/v1/pods?watch=1", upgrade, notASession, true},
		{"GET", "/api/v1/watch/namespaces/a/pods", upgrade, notASession, true},
		{"GET", pod + "/log?follow=true", nil, notASession, true},
		{"GET", pod + "/log", nil, notASession, false},
		{"GET", pod + "/exec?command=sh", upgrade, aSession, true},
		{"POST", pod + "/exec?command=sh&watch=1", upgrade, aSession, true},
		{"GET", pod + "/exec?command=sh&watch=1", upgrade, aSession, true},
		{"GET", pod + "/portforward", upgrade, unrecordable, true},
		{"GET", pod + "/portforward?watch=1", upgrade, unrecordable, true},
		{"GET", "/api/v1/watch/namespaces/a/pods/p/portforward", upgrade, unrecordable, true},
		{"GET", pod + "/proxy/?watch=1", upgrade, unrecordable, true},
		{"GET", "/apis/subresources.kubevirt.io/v1/namespaces/a/virtualmachineinstances/v/console?watch=1", upgrade, unrecordable, true},
		// Not what they claim to be:
		{"GET", pod + "?watch=1", nil, notASession, false},
		{"GET", pod + "?watch=1", upgrade, unrecordable, false},
		{"GET", "/api/v1/pods?follow=1", nil, notASession, false},
		{"GET", "/version?watch=1", nil, notASession, false},
		{"GET", "/api/v1/pods", upgrade, unrecordable, false},
		{"GET", "/api/v1/pods", http.Header{"Connection": {"upgrade"}}, notASession, false},
		{"DELETE", pod, upgrade, unrecordable, false},
	} {
		a := &Admission{Cluster: subjects.ClusterRef{Tenant: "default", Cluster: "prod"}, request: Request{Method: tt.method, Target: tt.target}}
		if got := judgeRecording(&a.request, asksUpgrade(tt.header)); got != tt.recording {
			t.Errorf("%s %s (%v): recording %v, want %v", tt.method, tt.target, tt.header, got, tt.recording)
		}
		if got := a.streams(tt.header); got != tt.stream {
			t.Errorf("%s %s (%v): a stream: %v, want %v", tt.method, tt.target, tt.header, got, tt.stream)
		}
	}
}
