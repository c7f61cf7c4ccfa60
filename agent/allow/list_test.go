package allow

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
)

const ownNamespace = "fairlead-agent"

// mustParse parses a list of an agent in ownNamespace.
func mustParse(t testing.TB, text string) *List {
	t.Helper()
	l, err := Parse([]byte(text), ownNamespace)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return l
}

// request makes a request of "METHOD TARGET", which may end in " upgrade".
func request(line string, as *subjects.Identity) *Request {
	f := strings.Fields(line)
	return &Request{Method: f[0], Target: f[1], Upgrade: len(f) > 2, As: as}
}

// wantJudged checks what a list says to each request: "" for allowed, or the reason.
func wantJudged(t *testing.T, list string, want map[string]string) {
	t.Helper()
	l := mustParse(t, list)
	for line, reason := range want {
		got := ""
		if r := l.judged(request(line, nil)); r != nil {
			got = r.reason
		}
		if got != reason {
			t.Errorf("%s\n%s: refused for %q, want %q", list, line, got, reason)
		}
	}
}

func TestReadOnly(t *testing.T) {
	wantJudged(t, "readOnly: true", map[string]string{
		"GET /api/v1/namespaces/shop/pods":                                      "",
		"HEAD /api/v1/namespaces/shop/pods/web-0":                               "",
		"GET /api/v1/pods?watch=true":                                           "",
		"GET /api/v1/pods?watch=true upgrade":                                   "",
		"GET /api/v1/watch/pods":                                                "",
		"GET /api/v1/namespaces/shop/pods/web-0/log?follow=true":                "",
		"GET /api/v1/namespaces/shop/pods/web-0/log?follow=true upgrade":        "",
		"GET /api/v1/namespaces/shop/secrets":                                   "",
		"GET /version":                                                          "",
		"GET /openapi/v3/apis/apps/v1":                                          "",
		"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews":           "",
		"POST /apis/authentication.k8s.io/v1/selfsubjectreviews":                "",
		"POST /apis/authorization.k8s.io/v1/subjectaccessreviews":               reasonReadOnly,
		"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x/y":       reasonReadOnly,
		"POST /apis/evil.io/v1/selfsubjectaccessreviews":                        reasonReadOnly,
		"POST /api/v1/namespaces/shop/pods":                                     reasonReadOnly,
		"PUT /api/v1/namespaces/shop/pods/a":                                    reasonReadOnly,
		"PATCH /api/v1/namespaces/shop/pods/a":                                  reasonReadOnly,
		"DELETE /api/v1/namespaces/shop/pods/a":                                 reasonReadOnly,
		"DELETE /api/v1/namespaces/shop/pods":                                   reasonReadOnly,
		"POST /api/v1/namespaces/shop/pods/a/exec?command=sh":                   reasonReadOnly,
		"GET /api/v1/namespaces/shop/pods/a/exec?command=sh":                    reasonReadOnly,
		"GET /api/v1/namespaces/shop/pods/a/exec?command=sh upgrade":            reasonReadOnly,
		"GET /api/v1/namespaces/shop/pods/a/attach":                             reasonReadOnly,
		"GET /api/v1/namespaces/shop/pods/a/portforward":                        reasonReadOnly,
		"GET /api/v1/namespaces/shop/services/web/proxy/admin/delete-all":       reasonReadOnly,
		"GET /api/v1/nodes/n/proxy/exec/ns/pod/c":                               reasonReadOnly,
		"GET /api/v1/proxy/nodes/n":                                             reasonReadOnly,
		"GET /apis/subresources.kubevirt.io/v1/namespaces/a/vms/b/vnc upgrade":  reasonReadOnly,
		"GET /debug upgrade":                                                    reasonReadOnly,
		"POST /logs/x":                                                          reasonReadOnly,
		"POST /api/v1/watch/namespaces/shop/pods":                               reasonMethod,
		"DELETE /api/v1/watch/namespaces/shop/pods/a":                           reasonMethod,
		"get /api/v1/namespaces/shop/pods":                                      reasonMethod,
		"OPTIONS /api/v1/namespaces/shop/pods":                                  reasonMethod,
		"TRACE /version":                                                        reasonMethod,
		"BREW /api/v1/pods":                                                     reasonMethod,
		"PATCH /api/v1/namespaces/fairlead-agent/configmaps/fairlead-allow":     reasonReadOnly,
		"POST /api/v1/namespaces/shop/serviceaccounts/default/token":            reasonReadOnly,
		"PATCH /api/v1/namespaces/shop/pods/a/ephemeralcontainers":              reasonReadOnly,
		"GET /api/v1/namespaces/shop/pods/a/proxy":                              reasonReadOnly,
		"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x upgrade": reasonReadOnly,
	})
}

func TestNoExec(t *testing.T) {
	wantJudged(t, "exec: false", map[string]string{
		"POST /api/v1/namespaces/shop/pods":                                        "",
		"GET /api/v1/namespaces/shop/pods/exec":                                    "", // a pod of that name
		"GET /api/v1/pods?watch=1 upgrade":                                         "",
		"GET /api/v1/namespaces/shop/pods/a/log upgrade":                           "",
		"POST /api/v1/namespaces/shop/pods/a/eviction":                             "",
		"POST /api/v1/namespaces/shop/pods/a/exec":                                 reasonExec,
		"GET /api/v1/namespaces/shop/pods/a/exec":                                  reasonExec,
		"GET /api/v1/namespaces/shop/pods/a/exec/":                                 reasonExec,
		"GET /api/v1/namespaces/shop/pods/a/exec/more upgrade":                     reasonExec,
		"POST /api/v1/namespaces/shop/pods/a/attach":                               reasonExec,
		"POST /api/v1/namespaces/shop/pods/a/portforward":                          reasonExec,
		"PATCH /api/v1/namespaces/shop/pods/a/ephemeralcontainers":                 reasonExec,
		"GET /api/v1/namespaces/shop/pods/a/proxy/x":                               reasonExec,
		"GET /api/v1/namespaces/shop/services/https:a:443/proxy":                   reasonExec,
		"GET /api/v1/nodes/n/proxy/run/x":                                          reasonExec,
		"GET /api/v1/proxy/namespaces/shop/pods/a":                                 reasonExec,
		"GET /apis/subresources.kubevirt.io/v1/namespaces/a/vms/b/console upgrade": reasonExec,
		"GET /api/v1/namespaces/shop/pods/a/%65xec":                                reasonExec,
		"GET /api/v1/namespaces/shop/pods/a%2Fexec":                                reasonAmbiguous,
		"GET /x upgrade": reasonExec,
	})
}

func TestNoSecrets(t *testing.T) {
	wantJudged(t, "secrets: false", map[string]string{
		"GET /api/v1/namespaces/shop/pods":                           "",
		"GET /api/v1/namespaces/shop/configmaps/secrets":             "",
		"POST /api/v1/namespaces/shop/serviceaccounts":               "",
		"POST /api/v1/namespaces/shop/pods/a/exec":                   "", // documented
		"GET /api/v1/secrets":                                        reasonSecrets,
		"GET /api/v1/secrets?watch=1":                                reasonSecrets,
		"GET /api/v1/watch/secrets":                                  reasonSecrets,
		"GET /api/v1/watch/namespaces/shop/secrets/a":                reasonSecrets,
		"GET /api/v1/namespaces/shop/secrets/a":                      reasonSecrets,
		"HEAD /api/v1/namespaces/shop/secrets/a":                     reasonSecrets,
		"PATCH /api/v1/namespaces/shop/secrets/a":                    reasonSecrets,
		"DELETE /api/v1/namespaces/shop/secrets":                     reasonSecrets,
		"POST /api/v1/namespaces/shop/secrets":                       reasonSecrets,
		"GET /api/v1/namespaces/shop/se%63rets":                      reasonSecrets,
		"GET /apis/x.io/v1/namespaces/shop/secrets/a":                reasonSecrets,
		"POST /api/v1/namespaces/shop/serviceaccounts/default/token": reasonSecrets,
		"GET /api/v1/namespaces/shop/../shop/secrets":                reasonAmbiguous,
		"GET /api/v1//secrets":                                       reasonAmbiguous,
		"GET //api/v1/secrets":                                       reasonAmbiguous,
		"GET /k8s/clusters/local/api/v1/secrets":                     reasonAmbiguous,
		"GET /clusters/root/apis/x.io/v1/secrets":                    reasonAmbiguous,
		"GET /api/v1/namespaces/shop%2fsecrets":                      reasonAmbiguous,
		"GET /api/v1/namespaces/shop/pods/%2e%2e/secrets":            reasonAmbiguous,
		"GET /api/v1/namespaces/shop/pods/%252e%252e/secrets":        reasonAmbiguous,
		"GET http://elsewhere/api/v1/secrets":                        reasonAmbiguous,
	})
}

func TestRequests(t *testing.T) {
	wantJudged(t, `
requests:
  - {verbs: [get, list, watch], apiGroups: ["", apps], resources: [pods, pods/log, deployments, "*/scale"], namespaces: [shop, "team-*"]}
  - {verbs: [update, patch], apiGroups: [apps], resources: [deployments], namespaces: [shop], names: [web, "api-*"]}
  - {verbs: [create], resources: [pods/exec], namespaces: [shop]}
  - {verbs: [list], resources: [nodes]}
  - {verbs: ["*"], apiGroups: [batch], resources: ["*"], namespaces: ["*"]}
  - {verbs: [get], paths: [/version, "/healthz*"]}
`, map[string]string{
		"GET /api/v1/namespaces/shop/pods":                          "",
		"GET /api/v1/namespaces/team-a/pods/x":                      "",
		"GET /api/v1/namespaces/shop/pods/x/log":                    "",
		"GET /apis/apps/v1/namespaces/shop/deployments/x/scale":     "",
		"GET /apis/apps/v1/namespaces/shop/deployments/x/status":    reasonRequests,
		"GET /api/v1/pods":                                          reasonRequests, // all namespaces
		"GET /api/v1/namespaces/team/pods":                          reasonRequests,
		"GET /api/v1/namespaces/SHOP/pods":                          reasonRequests,
		"GET /api/v1/namespaces/shop/services":                      reasonRequests,
		"GET /apis/extensions/v1/namespaces/shop/deployments":       reasonRequests,
		"PATCH /apis/apps/v1/namespaces/shop/deployments/web":       "",
		"PATCH /apis/apps/v1/namespaces/shop/deployments/api-1":     "",
		"PATCH /apis/apps/v1/namespaces/shop/deployments/db":        reasonRequests,
		"PATCH /apis/apps/v1/namespaces/shop/deployments/web/scale": reasonRequests,
		"DELETE /apis/apps/v1/namespaces/shop/deployments/web":      reasonRequests,
		"POST /api/v1/namespaces/shop/pods/x/exec upgrade":          "",
		"GET /api/v1/namespaces/shop/pods/x/exec upgrade":           "",
		"GET /api/v1/nodes":                                         "",
		"GET /api/v1/nodes/n":                                       reasonRequests,
		"GET /api/v1/nodes?watch=1":                                 reasonRequests,
		"DELETE /apis/batch/v1/namespaces/x/jobs":                   "",
		"POST /apis/batch/v1/namespaces/fairlead-agent/jobs":        reasonOwnNamespace,
		"GET /apis/batch/v1/namespaces/fairlead-agent/jobs":         "",
		"GET /version":                   "",
		"HEAD /version":                  "",
		"POST /version":                  reasonRequests,
		"GET /healthz/etcd":              "",
		"GET /metrics":                   reasonRequests,
		"GET /api":                       reasonRequests,
		"GET /version/../api/v1/secrets": reasonAmbiguous,
		"GET /healthz/%2e%2e/metrics":    reasonAmbiguous,
		"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews":          reasonRequests,
		"GET /api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Dweb-0": "",
	})
	// What only reads covers nothing that runs commands, and the core group is the default.
	wantJudged(t, "requests: [{verbs: [get, list, watch], apiGroups: ['*'], resources: ['*']}]", map[string]string{
		"GET /api/v1/namespaces/shop/pods/x/exec":                              reasonRequests,
		"GET /api/v1/namespaces/shop/pods/x/exec upgrade":                      reasonRequests,
		"GET /api/v1/namespaces/shop/pods/x/attach upgrade":                    reasonRequests,
		"GET /api/v1/namespaces/shop/pods/x/portforward upgrade":               reasonRequests,
		"GET /api/v1/nodes/n/proxy/run/a/b/c?cmd=id":                           reasonRequests,
		"GET /apis/subresources.kubevirt.io/v1/namespaces/a/vms/b/vnc upgrade": reasonRequests,
		"GET /api/v1/namespaces/shop/pods/x/log upgrade":                       "",
		"GET /api/v1/namespaces/shop/services/x/proxy/ upgrade":                "",
		"GET /apis/apps/v1/deployments":                                        "",
	})
	wantJudged(t, "requests: [{verbs: ['*'], resources: ['*']}]", map[string]string{
		"GET /api/v1/pods": "", "GET /apis/apps/v1/deployments": reasonRequests, "GET /api/v1/namespaces/shop/pods/x/exec upgrade": "",
	})
	wantJudged(t, "requests: []", map[string]string{"GET /version": reasonRequests, "GET /api/v1/pods": reasonRequests})
}

// TestOwnNamespace: a list that allows everything does not allow to change the list,
// unless it says so.
func TestOwnNamespace(t *testing.T) {
	const change = "PATCH /api/v1/namespaces/fairlead-agent/configmaps/x"
	for _, list := range []string{"secrets: true", "as: {agent: true}", "requests: [{verbs: ['*'], resources: ['*']}]",
		"requests: [{verbs: ['*'], resources: ['*'], namespaces: ['*']}]", "requests: [{verbs: ['*'], resources: ['*'], namespaces: ['fairlead*']}]"} {
		wantJudged(t, list, map[string]string{
			change: reasonOwnNamespace,
			"POST /api/v1/namespaces/fairlead-agent/pods":               reasonOwnNamespace,
			"GET /api/v1/namespaces/fairlead-agent/pods/a/exec upgrade": reasonOwnNamespace,
			"DELETE /api/v1/namespaces/fairlead-agent":                  reasonOwnNamespace,
			"GET /api/v1/namespaces/fairlead-agent/pods":                "",
			"POST /api/v1/namespaces/fairlead-agent2/pods":              "",
		})
	}
	wantJudged(t, "requests: [{verbs: [patch], resources: [configmaps], namespaces: [fairlead-agent]}]", map[string]string{change: ""})
}

func TestRefusalNamesItsRule(t *testing.T) {
	for list, want := range map[string]string{
		"readOnly: true":    `refused by the allow-list of the cluster's owner: rule readOnly: true: "create" of "deployments.apps" in namespace "shop" is more than reading, for user "jane"`,
		"requests: []":      `rule requests: none of 0 rules allows "create" of "deployments.apps" in namespace "shop", for user "jane"`,
		"as: {agent: true}": `rule as.users: user "jane" is not listed`,
	} {
		if !strings.Contains(list, "as:") {
			list += "\nas: {users: [jane]}"
		}
		l := mustParse(t, list)
		r := l.judged(request("POST /apis/apps/v1/namespaces/shop/deployments", &subjects.Identity{User: "jane"}))
		if r == nil || !strings.Contains(r.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", list, r, want)
		}
	}
}

// judged says why the list does not allow a request; nil: it does.
func (l *List) judged(r *Request) *Refusal {
	_, refusal := l.Explain(r)
	return refusal
}
