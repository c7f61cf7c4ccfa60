package requestinfo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// groupOf has the API groups of Kubernetes' own resources that people write rules for.
var groupOf = map[string]string{
	"pods": "", "services": "", "configmaps": "", "secrets": "", "namespaces": "", "nodes": "", "endpoints": "",
	"serviceaccounts": "", "persistentvolumeclaims": "", "persistentvolumes": "", "resourcequotas": "", "limitranges": "",
	"deployments": "apps", "replicasets": "apps", "statefulsets": "apps", "daemonsets": "apps", "controllerrevisions": "apps",
	"jobs": "batch", "cronjobs": "batch", "horizontalpodautoscalers": "autoscaling", "poddisruptionbudgets": "policy",
	"ingresses": "networking.k8s.io", "networkpolicies": "networking.k8s.io",
	"roles": "rbac.authorization.k8s.io", "rolebindings": "rbac.authorization.k8s.io",
	"clusterroles": "rbac.authorization.k8s.io", "clusterrolebindings": "rbac.authorization.k8s.io",
	"customresourcedefinitions": "apiextensions.k8s.io", "leases": "coordination.k8s.io", "storageclasses": "storage.k8s.io",
}

// OwnGroup returns the API group of a resource of Kubernetes' own.
func OwnGroup(resource string) (group string, known bool) {
	group, known = groupOf[resource]
	return group, known
}

// Plural returns the name of a resource of Kubernetes' own that somebody wrote in the
// singular or as its kind, such as pods for Pod; "" for any other name.
func Plural(name string) string {
	lower := strings.ToLower(name)
	for _, plural := range []string{lower, lower + "s", lower + "es", strings.TrimSuffix(lower, "y") + "ies"} {
		if _, known := groupOf[plural]; known && plural != name {
			return plural
		}
	}
	return ""
}

// Misnamed returns what is wrong with a resource, or "resource/subresource", of a rule for
// these API groups, nil for the core group; "" if nothing is known to be.
func Misnamed(text string, groups []string) string {
	if groups == nil {
		groups = []string{""}
	}
	resource, sub, _ := strings.Cut(text, "/")
	group, known := OwnGroup(resource)
	name, of, dotted := strings.Cut(resource, ".")
	plural := Plural(resource)
	switch {
	case dotted:
		return fmt.Sprintf("no resource has the name %q: write resources: [%s] with apiGroups: [%s]", resource, name, of)
	case plural != "":
		return fmt.Sprintf("no resource has the name %q: did you mean %q?", resource, plural)
	case resource == "pods" && sub == "logs":
		return `pods have no subresource "logs": did you mean "pods/log"?`
	case known && !slices.Contains(groups, group) && !slices.ContainsFunc(groups, Foreign):
		return fmt.Sprintf("%s are in API group %q, and the rule is for %s: write apiGroups: [%q]", resource, group, quoted(groups), group)
	}
	return ""
}

// quoted names groups, at most five.
func quoted(groups []string) string {
	const most = 5
	var all []string
	for _, g := range groups[:min(len(groups), most)] {
		all = append(all, strconv.Quote(g))
	}
	if len(groups) > most {
		all = append(all, "...")
	}
	return strings.Join(all, ", ")
}

// Foreign reports whether a group, or a pattern of groups, can have resources of any
// name, as metrics.k8s.io has pods. The groups that Kubernetes does not bring have a dot.
func Foreign(group string) bool {
	for _, own := range groupOf {
		if group == own {
			return false
		}
	}
	return strings.ContainsAny(group, ".*")
}
