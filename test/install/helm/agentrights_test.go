package helm

import (
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestAgentRights asks the API server what the agent's service account may do,
// for each way to grant rights. No agent runs.
func TestAgentRights(t *testing.T) {
	const rules = `rbac.rules=[{"apiGroups":[""],"resources":["nodes"],"verbs":["list"]},{"apiGroups":[""],"resources":["secrets"],"resourceNames":["one"],"verbs":["get"]}]`
	here, elsewhere := "here", "kube-system"
	for name, test := range map[string]struct {
		args []string
		may  []string // VERB RESOURCE[.GROUP][:SUBRESOURCE][/NAME] [NAMESPACE], or VERB PATH
		not  []string
	}{
		"none": {
			[]string{"--set", "rbac.preset=none"},
			[]string{"get /version", "get /readyz"}, // as every account may
			[]string{"get pods " + here, "list nodes", "impersonate users/ci"},
		},
		"view": {
			nil,
			[]string{"get pods " + here, "watch pods " + elsewhere, "get pods:log " + elsewhere},
			[]string{"get secrets " + here, "create pods " + here, "create pods:exec " + here, "list nodes", "impersonate users/ci"},
		},
		"edit": {
			[]string{"--set", "rbac.preset=edit"},
			[]string{"create deployments.apps " + here, "delete pods " + elsewhere, "create pods:exec " + here, "get secrets " + here},
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
				"--set", "impersonation.serviceAccounts={NAMESPACE/deployer}", "--set-string", "impersonation.uids={42}", "--set", "impersonation.extras.project={shop}"},
			[]string{"impersonate users/ci", "impersonate groups/developers", "impersonate serviceaccounts/deployer " + here,
				"impersonate uids.authentication.k8s.io/42", "impersonate userextras.authentication.k8s.io:project/shop"},
			[]string{"impersonate users/root", "impersonate groups/system:masters", "impersonate serviceaccounts/deployer " + elsewhere,
				"impersonate serviceaccounts/other " + here, "impersonate users", "impersonate uids.authentication.k8s.io/43",
				"impersonate userextras.authentication.k8s.io:project/blog"},
		},
		"nothing is made": {
			[]string{"--set", "rbac.create=false"},
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
				if allowed, why := sp.may(what); !allowed {
					t.Errorf("it may not %s: %s", what, why)
				}
			}
			for _, what := range test.not {
				if allowed, why := sp.may(what); allowed {
					t.Errorf("it may %s: %s", what, why)
				}
			}
			sp.helm("uninstall", agentRelease)
		})
	}
}

// may asks whether the agent's service account may do something. The namespace
// "here" is that of the test.
func (sp *agentSpace) may(what string) (allowed bool, why string) {
	sp.t.Helper()
	verb, rest, _ := strings.Cut(what, " ")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: "system:serviceaccount:" + sp.name + ":" + agentRelease,
		// What the API server gives to every service account.
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + sp.name, "system:authenticated"},
	}}
	if strings.HasPrefix(rest, "/") {
		review.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Verb: verb, Path: rest}
	} else {
		resource, namespace, _ := strings.Cut(rest, " ")
		resource, name, _ := strings.Cut(resource, "/")
		resource, subresource, _ := strings.Cut(resource, ":")
		resource, group, _ := strings.Cut(resource, ".")
		if namespace == "here" {
			namespace = sp.name
		}
		review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Verb: verb, Group: group, Resource: resource, Subresource: subresource, Name: name, Namespace: namespace,
		}
	}
	answer, err := sp.admin.AuthorizationV1().SubjectAccessReviews().Create(sp.t.Context(), review, metav1.CreateOptions{})
	if err != nil {
		sp.t.Fatal(err)
	}
	return answer.Status.Allowed, answer.Status.Reason
}
