package access

import (
	"context"
	"net/http"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// TestWhatIsRecorded: whatever opens a session is recorded or refused.
func TestWhatIsRecorded(t *testing.T) {
	const pods = "/api/v1/namespaces/shop/pods"
	for target, want := range map[string]struct{ plain, upgrade recording }{
		pods + "/web/exec?command=sh":                   {notASession, aSession},
		pods + "/web/attach":                            {notASession, aSession},
		pods + "/web/portforward":                       {notASession, unrecordable},
		pods + "/web/proxy/":                            {notASession, unrecordable},
		pods + "/web/log?follow=true":                   {notASession, unrecordable},
		pods:                                            {notASession, unrecordable},
		pods + "?watch=true":                            {notASession, notASession},
		pods + "/web/portforward?watch=true":            {notASession, unrecordable},
		pods + "/web/exec?watch=true":                   {notASession, aSession},
		pods + "/web/exec%2f":                           {unrecordable, unrecordable},
		pods + "//web/exec":                             {unrecordable, unrecordable},
		"/api/v1/watch/namespaces/shop/pods":            {notASession, notASession},
		"/api/v1/nodes/n/proxy/exec/shop/web/app":       {unrecordable, unrecordable},
		"/api/v1/nodes/n/proxy/run/shop/web/app?cmd=id": {unrecordable, unrecordable},
		"/api/v1/proxy/nodes/n/run/shop/web/app":        {unrecordable, unrecordable},
		"/api/v1/nodes/n":                               {notASession, unrecordable},
		"/api/v1/pods/web/exec":                         {notASession, unrecordable},
		"/apis/example.com/v1/namespaces/s/pods/p/exec": {notASession, unrecordable},
		"/apis/subresources.kubevirt.io/v1/namespaces/s/virtualmachineinstances/vm/console": {notASession, unrecordable},
		"/version": {notASession, unrecordable},
		"bad":      {unrecordable, unrecordable},
	} {
		for _, method := range []string{"GET", "POST"} {
			plain := judgeRecording(&Request{Method: method, Target: target}, asksUpgrade(http.Header{"Upgrade": {"h2c"}}))
			upgrade := judgeRecording(&Request{Method: method, Target: target}, asksUpgrade(http.Header{"Connection": {"Upgrade"}, "Upgrade": {"SPDY/3.1"}}))
			if method == "POST" && target == pods+"?watch=true" {
				want.upgrade = unrecordable // no watch
			}
			if plain != want.plain || upgrade != want.upgrade {
				t.Errorf("%s %s: %d, with an upgrade %d, want %d and %d", method, target, plain, upgrade, want.plain, want.upgrade)
			}
		}
	}
}

// TestRecordingDemandedLater: a session that has begun without a recording ends when
// its grant begins to demand one. Other requests go on.
func TestRecordingDemandedLater(t *testing.T) {
	for target, ends := range map[string]bool{"/api/v1/namespaces/shop/pods/web/exec": true, "/api/v1/namespaces/shop/pods/web/portforward": true, "/version": false} {
		ref := subjects.ClusterRef{Tenant: "default", Cluster: "prod"}
		door := &Door{Rules: Fixed(Rules{Authorizer: fixed{d: &Decision{Grant: "g", Record: true}}})}
		v := Visitor{Caller: &Caller{}, door: door, rules: door.Rules()}
		a := &Admission{
			Visitor: v, Cluster: ref, Decision: &Decision{Grant: "g"},
			request: Request{Cluster: ref, Method: "GET", Target: target}, upgrade: ends,
		}
		if _, _, f := a.again(t.Context(), &v); (f != nil) != ends || ends && f.Kind != answer.Forbidden {
			t.Errorf("%s: %v", target, f)
		}
	}
}

// fixed decides in one way.
type fixed struct {
	TokenClusters
	d *Decision
}

func (f fixed) Authorize(context.Context, *Caller, *Request) (*Decision, error) { return f.d, nil }
