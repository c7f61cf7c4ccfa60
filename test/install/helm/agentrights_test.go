package helm

import (
	"fmt"
	"strings"
	"testing"
)

// TestAgentRights asks the API server what the agent's service account may do,
// for each way to grant rights. No agent runs.
func TestAgentRights(t *testing.T) {
	const rules = `rbac.rules=[{"apiGroups":[""],"resources":["nodes"],"verbs":["list"]},{"apiGroups":[""],"resources":["secrets"],"resourceNames":["one"],"verbs":["get"]}]`
	here, elsewhere := "here", "kube-system"
	for name, test := range map[string]struct {
		args []string
		may  []string // verb, resource, and where
		not  []string
	}{
		"none": {
			[]string{"--set", "rbac.preset=none"},
			[]string{"get /version", "get /readyz"}, // as everybody may
			[]string{"get pods " + here, "list nodes", "impersonate users/ci"},
		},
		"view": {
			nil,
			[]string{"get pods " + here, "watch pods " + elsewhere, "get pods/log " + elsewhere},
			[]string{"get secrets " + here, "create pods " + here, "create pods/exec " + here, "list nodes", "impersonate users/ci"},
		},
		"edit": {
			[]string{"--set", "rbac.preset=edit"},
			[]string{"create deployments.apps " + here, "delete pods " + elsewhere, "create pods/exec " + here, "get secrets " + here},
			[]string{"create roles.rbac.authorization.k8s.io " + here, "list nodes", "create namespaces"},
		},
		"admin": {
			[]string{"--set", "rbac.preset=admin"},
			[]string{"create roles.rbac.authorization.k8s.io " + here, "create pods " + elsewhere},
			[]string{"create clusterroles.rbac.authorization.k8s.io", "delete nodes"},
		},
		"admin here": {
			[]string{"--set", "rbac.preset=admin", "--set", "rbac.namespaces={NAMESPACE}"},
			[]string{"create roles.rbac.authorization.k8s.io " + here, "delete pods " + here},
			[]string{"get pods " + elsewhere, "list namespaces"},
		},
		"rules alone": {
			[]string{"--set", "rbac.preset=none", "--set-json", rules},
			[]string{"list nodes", "get secrets/one " + here, "get secrets/one " + elsewhere},
			[]string{"get nodes", "get secrets/two " + here, "get pods " + here},
		},
		"rules here": {
			[]string{"--set", "rbac.preset=none", "--set-json", rules, "--set", "rbac.namespaces={NAMESPACE}"},
			[]string{"get secrets/one " + here},
			[]string{"get secrets/one " + elsewhere, "get secrets/two " + here, "list nodes"},
		},
		"impersonation": {
			[]string{"--set", "rbac.preset=none", "--set", "impersonation.users={ci}", "--set", "impersonation.groups={developers}",
				"--set", "impersonation.serviceAccounts={NAMESPACE/deployer}", "--set", "impersonation.uids={42}", "--set", "impersonation.extras.project={shop}"},
			[]string{"impersonate users/ci", "impersonate groups/developers", "impersonate serviceaccounts/deployer " + here,
				"impersonate uids.authentication.k8s.io/42", "impersonate userextras.authentication.k8s.io/shop --subresource=project"},
			[]string{"impersonate users/root", "impersonate groups/system:masters", "impersonate serviceaccounts/deployer " + elsewhere,
				"impersonate serviceaccounts/other " + here, "impersonate users", "impersonate uids.authentication.k8s.io/43",
				"impersonate userextras.authentication.k8s.io/blog --subresource=project"},
		},
		"nothing is made": {
			[]string{"--set", "rbac.create=false", "--set", "impersonation.users={ci}"},
			nil,
			[]string{"get pods " + here, "impersonate users/ci"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			sp := newAgentSpace(t)
			t.Parallel()
			for i := range test.args {
				test.args[i] = strings.ReplaceAll(test.args[i], "NAMESPACE", sp.name)
			}
			sp.install(append(test.args, "--set", "replicas=0")...)
			for _, what := range test.may {
				if answer := sp.canI(what); answer != "yes" {
					t.Errorf("may it %s? %s", what, answer)
				}
			}
			for _, what := range test.not {
				if answer := sp.canI(what); answer != "no" {
					t.Errorf("may it %s? %s", what, answer)
				}
			}
			sp.helm("uninstall", agentRelease)
		})
	}
}

// canI is what 'kubectl auth can-i' prints of the agent's service account. The
// namespace "here" is that of the test.
func (sp *agentSpace) canI(what string) string {
	sp.t.Helper()
	verb, rest, _ := strings.Cut(what, " ")
	resource, rest, _ := strings.Cut(rest, " ")
	args := []string{"auth", "can-i", verb, resource, "--as", fmt.Sprintf("system:serviceaccount:%s:%s", sp.name, agentRelease)}
	// The group that the API server itself gives to service accounts.
	args = append(args, "--as-group=system:serviceaccounts", "--as-group=system:authenticated")
	switch {
	case strings.HasPrefix(rest, "--"):
		args = append(args, rest)
	case rest == "here":
		args = append(args, "--namespace", sp.name)
	case rest != "":
		args = append(args, "--namespace", rest)
	default:
		args = append(args, "--namespace", "default")
	}
	out, err := sp.kube.Run(sp.t.Context(), "", args...)
	if answer := strings.TrimSpace(out); answer != "" {
		return answer // "no" makes kubectl fail
	}
	return err.Error()
}
