package apply

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// phases are the kinds in the order in which they are applied: what others need comes
// first. Those of a phase do not need each other. Kinds that are in none are applied before
// the last one, which can refuse everything else.
var phases = [][]schema.GroupKind{
	{{Group: "", Kind: "Namespace"}},
	{definition},
	{
		{Group: "scheduling.k8s.io", Kind: "PriorityClass"}, {Group: "node.k8s.io", Kind: "RuntimeClass"},
		{Group: "storage.k8s.io", Kind: "StorageClass"}, {Group: "networking.k8s.io", Kind: "IngressClass"},
		{Group: "", Kind: "ResourceQuota"}, {Group: "", Kind: "LimitRange"}, {Group: "networking.k8s.io", Kind: "NetworkPolicy"},
		{Group: "", Kind: "ServiceAccount"}, {Group: "", Kind: "Secret"}, {Group: "", Kind: "ConfigMap"},
		{Group: "", Kind: "PersistentVolume"}, {Group: "", Kind: "PersistentVolumeClaim"},
		{Group: rbacGroup, Kind: "ClusterRole"}, {Group: rbacGroup, Kind: "Role"},
	},
	{{Group: rbacGroup, Kind: "ClusterRoleBinding"}, {Group: rbacGroup, Kind: "RoleBinding"}},
	{{Group: "", Kind: "Service"}, {Group: "policy", Kind: "PodDisruptionBudget"}},
	{
		{Group: "", Kind: "Pod"}, {Group: "", Kind: "ReplicationController"}, {Group: "apps", Kind: "DaemonSet"},
		{Group: "apps", Kind: "Deployment"}, {Group: "apps", Kind: "ReplicaSet"}, {Group: "apps", Kind: "StatefulSet"},
		{Group: "batch", Kind: "Job"}, {Group: "batch", Kind: "CronJob"},
	},
	nil, // all others
	{
		{Group: "apiregistration.k8s.io", Kind: "APIService"},
		{Group: admissionGroup, Kind: "ValidatingAdmissionPolicy"}, {Group: admissionGroup, Kind: "MutatingAdmissionPolicy"},
	},
	{
		{Group: admissionGroup, Kind: "ValidatingAdmissionPolicyBinding"}, {Group: admissionGroup, Kind: "MutatingAdmissionPolicyBinding"},
		{Group: admissionGroup, Kind: "ValidatingWebhookConfiguration"}, {Group: admissionGroup, Kind: "MutatingWebhookConfiguration"},
	},
}

const (
	rbacGroup      = "rbac.authorization.k8s.io"
	admissionGroup = "admissionregistration.k8s.io"
)

// definition is the kind that defines others.
var definition = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}

// phaseOf is the index of the phase of a kind.
var phaseOf = func() func(schema.GroupKind) int {
	index, others := map[schema.GroupKind]int{}, 0
	for i, kinds := range phases {
		if kinds == nil {
			others = i
		}
		for _, k := range kinds {
			index[k] = i
		}
	}
	return func(k schema.GroupKind) int {
		if i, ok := index[k]; ok {
			return i
		}
		return others
	}
}()

// ordered are the objects by phase; in each they are as they came.
func ordered(all []*object) [][]*object {
	by := make([][]*object, len(phases))
	for _, o := range all {
		i := phaseOf(o.gvk.GroupKind())
		by[i] = append(by[i], o)
	}
	return by
}
