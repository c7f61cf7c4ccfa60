package helm_test

import (
	"strings"
	"testing"
)

// TestAgentNotesWarn: the notes warn users who grant rights in the whole cluster.
func TestAgentNotesWarn(t *testing.T) {
	for rights, want := range map[string]string{
		"rbac.preset=view":                               "",
		"rbac.preset=edit":                               `"edit" in the whole cluster is in effect cluster-admin`,
		"rbac.preset=admin":                              `"admin" in the whole cluster is in effect cluster-admin`,
		"rbac.preset=edit,rbac.namespaces={shop}":        "",
		"rbac.preset=edit,rbac.namespaces={kube-system}": `"edit" in kube-system is in effect cluster-admin`,
		"rbac.preset=edit,rbac.create=false":             "",
		"broker.headers={Authorization: Bearer x}":       "broker.headers has Authorization, whose value",
		"broker.headers={X-Api-Key: x,X-Region: eu}":     "broker.headers has X-Api-Key, whose value",
		"broker.headers={X-Region: eu}":                  "",
		"broker.insecureTransport=true":                  "broker.insecureTransport permits servers without TLS",
		// Of rules as well that are as much.
		"rbac.rules[0].verbs={*},rbac.rules[0].apiGroups={*},rbac.rules[0].resources={*}":                                         "rbac.rules permit everything",
		"rbac.rules[0].verbs={get,impersonate},rbac.rules[0].apiGroups={},rbac.rules[0].resources={users}":                        "rbac.rules permit impersonate",
		"rbac.rules[0].verbs={bind,escalate},rbac.rules[0].apiGroups={rbac.authorization.k8s.io},rbac.rules[0].resources={roles}": "rbac.rules permit bind, escalate",
		"rbac.rules[0].verbs={*},rbac.rules[0].apiGroups={apps},rbac.rules[0].resources={deployments}":                            "",
		"rbac.rules[0].verbs={get},rbac.rules[0].nonResourceURLs={/metrics}":                                                      "",
	} {
		out, stderr, err := helm(t, append([]string{"install", releaseName, agentChart, "--namespace", releaseNamespace, "--dry-run=client"},
			with("--set", rights)...)...)
		if err != nil {
			t.Fatalf("%s: %v\n%s", rights, err, stderr)
		}
		_, notes, ok := strings.Cut(out, "\nNOTES:\n")
		if !ok {
			t.Fatalf("%s: no notes in %s", rights, out)
		}
		if warned := strings.Contains(notes, "WARNING"); warned != (want != "") || !strings.Contains(notes, want) {
			t.Errorf("%s: the notes are:\n%s\nwant in them: %q", rights, notes, want)
		}
	}
}
