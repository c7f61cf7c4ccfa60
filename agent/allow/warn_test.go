package allow

import (
	"slices"
	"strings"
	"testing"
)

// Each warning as people see it, with what is nearly the same and is not warned about.
func TestWarnings(t *testing.T) {
	const closes = "reaches into pods as pods/exec does, which no rule allows: exec: false closes all such ways, and exec: true says that they are meant"
	const takes = "can take over the cluster, as far as its RBAC lets the user"
	for list, want := range map[string]string{
		// What never matches.
		"requests: [{verbs: [get], resources: [pods, pods/log, widgets]}]":                                                        "",
		"requests: [{verbs: [get], resources: [pod]}]":                                                                            `line 1: requests[0].resources[0]: no resource has the name "pod": did you mean "pods"?`,
		"requests: [{verbs: [get], resources: [pods/logs]}]":                                                                      `line 1: requests[0].resources[0]: pods have no subresource "logs": did you mean "pods/log"?`,
		"requests: [{verbs: [get], resources: [deployments.apps]}]":                                                               `line 1: requests[0].resources[0]: no resource has the name "deployments.apps": write resources: [deployments] with apiGroups: [apps]`,
		"requests: [{verbs: [get], resources: [deployments]}]":                                                                    `line 1: requests[0].resources[0]: deployments are in API group "apps", and the rule is for "": write apiGroups: ["apps"]`,
		"requests: [{verbs: [get], apiGroups: [metrics.k8s.io], resources: [pods]}]":                                              "",
		"exec: false\nrequests: [{verbs: [create, patch], resources: [pods, pods/exec, pods/attach]}]":                            "line 2: requests[0].resources[1]: exec: false refuses every request for pods/exec\nline 2: requests[0].resources[2]: exec: false refuses every request for pods/attach",
		"secrets: false\nrequests: [{verbs: [create], resources: [secrets, serviceaccounts/token]}]":                              "line 2: requests[0].resources[0]: secrets: false refuses every request for secrets\nline 2: requests[0].resources[1]: secrets: false refuses every request for serviceaccounts/token",
		"readOnly: true\nrequests: [{verbs: [get, delete], resources: [pods]}]":                                                   "line 2: requests[0].verbs[1]: readOnly: true refuses every request with the verb delete",
		"readOnly: true\nrequests: [{verbs: [create], apiGroups: [authorization.k8s.io], resources: [selfsubjectaccessreviews]}]": "",
		"as: {agent: true, groups: [a], uids: [b]}":                                                                               "line 1: as.groups: they are of users, and none is listed under users or serviceAccounts\nline 1: as.uids: they are of users, and none is listed under users or serviceAccounts",
		// What another rule allows anyway.
		"requests:\n- {verbs: [get, list], resources: ['pods']}\n- {verbs: [list], resources: [pods], namespaces: [a]}":                              "line 3: requests[1]: it allows nothing more than requests[0]",
		"requests:\n- {verbs: [list], resources: [pods], namespaces: [a-1]}\n- {verbs: [get, list], resources: [pods], namespaces: ['a-*']}":         "line 2: requests[0]: it allows nothing more than requests[1]",
		"requests:\n- {verbs: [get], resources: [pods]}\n- {verbs: [get], resources: [pods]}":                                                        "line 3: requests[1]: it allows nothing more than requests[0]",
		"requests:\n- {verbs: [get], resources: [pods], namespaces: [a]}\n- {verbs: [get], resources: [pods], namespaces: [b]}":                      "",
		"requests:\n- {verbs: [get], resources: ['*/scale'], apiGroups: ['*']}\n- {verbs: [get], resources: [deployments/scale], apiGroups: [apps]}": "line 3: requests[1]: it allows nothing more than requests[0]",
		"requests:\n- {verbs: ['*'], resources: [pods]}\n- {verbs: ['*'], resources: [pods], namespaces: [own]}":                                     "", // the agent's own namespace
		"requests:\n- {verbs: [get], paths: ['/api*']}\n- {verbs: [get], paths: [/apis, /api]}":                                                      "line 3: requests[1]: it allows nothing more than requests[0]",
		"requests:\n- {verbs: [get], paths: ['*']}\n- {verbs: [get], resources: [pods]}":                                                             "",
		// What opens more than it seems to.
		"requests: [{verbs: ['*'], resources: ['*']}]": "line 1: requests[0].resources[0]: it stands for Secrets too: secrets: false closes them, and secrets: true says that they are meant\n" +
			"line 1: requests[0].resources[0]: it stands for pods/exec, pods/attach, pods/ephemeralcontainers and proxies too: exec: false closes them, and exec: true says that they are meant",
		"exec: false\nsecrets: true\nrequests: [{verbs: ['*'], resources: ['*']}]":                            "",
		"secrets: false\nrequests: [{verbs: [get, list, watch], resources: ['*']}]":                           "",
		"requests: [{verbs: [patch], resources: [pods/ephemeralcontainers]}]":                                 "line 1: requests[0].resources[0]: pods/ephemeralcontainers " + closes,
		"requests: [{verbs: [create], resources: [pods/attach, services/proxy]}]":                             "line 1: requests[0].resources[0]: pods/attach " + closes + "\nline 1: requests[0].resources[1]: services/proxy " + closes,
		"exec: true\nrequests: [{verbs: [create], resources: [pods/attach]}]":                                 "",
		"requests: [{verbs: [create], resources: [pods/exec, pods/attach]}]":                                  "",
		"exec: true\nrequests: [{verbs: [create], resources: [nodes/proxy]}]":                                 "line 2: requests[0].resources[0]: nodes/proxy is the kubelet, which runs commands in all pods of the node",
		"requests: [{verbs: [create], resources: [serviceaccounts/token]}]":                                   "line 1: requests[0].resources[0]: it gives tokens of service accounts, with which their holder is past this list",
		"requests: [{verbs: [create], apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings]}]":    "line 1: requests[0].resources[0]: whoever may change rolebindings " + takes,
		"requests: [{verbs: [get, list], apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings]}]": "",
		"as: {users: ['*', 'gitlab:*'], groups: ['*', 'system:masters', 'kubeadm:cluster-admins', dev]}": "line 1: as.groups[0]: it stands for every group but those of system:, such as kubeadm:cluster-admins, which may do everything in clusters that kubeadm made: begin it with a prefix of the platform's\n" +
			"line 1: as.groups[1]: system:masters may do everything, whatever RBAC says\nline 1: as.groups[2]: kubeadm:cluster-admins may do everything, in clusters that kubeadm made\n" +
			"line 1: as.users[0]: it stands for every user but Kubernetes' own, such as those whom the cluster's owner made administrators: begin it with a prefix of the platform's",
		"as: {serviceAccounts: ['*/ci', 'shop/*']}": "line 1: as.serviceAccounts[0]: it stands for service accounts of nearly every namespace, and so for controllers with rights in the whole cluster: name the namespaces",
		// What has faults, or says nothing.
		"requests: [{verbs: [get], resource: [pod]}]": "",
		"": "",
	} {
		var all []string
		for _, w := range Warnings([]byte(list), "own") {
			all = append(all, w.Error())
		}
		if got := sorted(strings.Join(all, "\n")); got != sorted(want) {
			t.Errorf("%s\n got %s\nwant %s", list, got, want)
		}
	}
}

// sorted sorts lines: those of one line of a file come in the order in which they are
// found.
func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
