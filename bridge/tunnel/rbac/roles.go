package rbac

import "slices"

// The rules of the roles that every cluster has for its users (view, edit, admin), by
// API group, as Kubernetes 1.34 aggregates them. Subresources follow a slash.
var (
	viewed = map[string][]string{
		"": {"bindings", "configmaps", "endpoints", "events", "limitranges", "namespaces", "namespaces/status", "persistentvolumeclaims",
			"persistentvolumeclaims/status", "pods", "pods/log", "pods/status", "replicationcontrollers", "replicationcontrollers/scale",
			"replicationcontrollers/status", "resourcequotas", "resourcequotas/status", "serviceaccounts", "services", "services/status"},
		"apps": {"controllerrevisions", "daemonsets", "daemonsets/status", "deployments", "deployments/scale", "deployments/status",
			"replicasets", "replicasets/scale", "replicasets/status", "statefulsets", "statefulsets/scale", "statefulsets/status"},
		"autoscaling":       {"horizontalpodautoscalers", "horizontalpodautoscalers/status"},
		"batch":             {"cronjobs", "cronjobs/status", "jobs", "jobs/status"},
		"discovery.k8s.io":  {"endpointslices"},
		"networking.k8s.io": {"ingresses", "ingresses/status", "networkpolicies"},
		"policy":            {"poddisruptionbudgets", "poddisruptionbudgets/status"},
	}
	// read with edit, and not with view
	editReads = map[string][]string{
		"": {"pods/attach", "pods/exec", "pods/portforward", "secrets"},
	}
	edited = map[string][]string{
		"": {"configmaps", "events", "persistentvolumeclaims", "pods", "pods/attach", "pods/exec", "pods/portforward",
			"replicationcontrollers", "replicationcontrollers/scale", "secrets", "serviceaccounts", "services"},
		"apps":              {"daemonsets", "deployments", "deployments/scale", "replicasets", "replicasets/scale", "statefulsets", "statefulsets/scale"},
		"autoscaling":       {"horizontalpodautoscalers"},
		"batch":             {"cronjobs", "jobs"},
		"networking.k8s.io": {"ingresses", "networkpolicies"},
		"policy":            {"poddisruptionbudgets"},
	}
	// created with edit, and nothing else
	editCreates = map[string][]string{
		"": {"pods/eviction", "serviceaccounts/token"},
	}
	administered = map[string][]string{
		"rbac.authorization.k8s.io": {"rolebindings", "roles"},
	}
)

var (
	readVerbs  = []string{"get", "list", "watch"}
	writeVerbs = []string{"create", "update", "patch", "delete", "deletecollection"}
)

// builtin returns the smallest role of every cluster that allows a verb on a
// resource; "" if none does.
func builtin(group, resource, verb string) string {
	has := func(rules map[string][]string) bool { return slices.Contains(rules[group], resource) }
	read, write := slices.Contains(readVerbs, verb), slices.Contains(writeVerbs, verb)
	switch {
	case read && has(viewed):
		return "view"
	case read && has(editReads), write && has(edited), verb == "create" && has(editCreates):
		return "edit"
	case (read || write) && has(administered):
		return "admin"
	}
	return ""
}
