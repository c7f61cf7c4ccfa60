package api

// FleetPullSecret is the body of PUT /v1/pull-secrets/{name}: a pull secret for namespaces
// of many clusters. The answer has lines as that to a [FleetCall]; the body of each is a
// [FleetPullSecretResult].
type FleetPullSecret struct {
	// Clusters are the names of the clusters, each of them once.
	Clusters []string `json:"clusters,omitempty"`
	// Selector, Tenant and State select clusters instead, as those of a [FleetCall].
	Selector *string `json:"selector,omitempty"`
	Tenant   string  `json:"tenant,omitempty"`
	State    string  `json:"state,omitempty"`
	// Namespaces are those in each of the clusters.
	Namespaces []string `json:"namespaces"`
	PullSecret
	// Timeout is a Go duration within which all namespaces of a cluster are done.
	Timeout string `json:"timeout,omitempty"`
	// Deadline is one within which all of it ends.
	Deadline string `json:"deadline,omitempty"`
	// Concurrency is how many clusters are worked in at the same time.
	Concurrency int `json:"concurrency,omitempty"`
}

// FleetPullSecretResult is what became of the pull secret in a cluster. A namespace that
// is not in it was not begun: the time of the cluster was over.
type FleetPullSecretResult struct {
	Namespaces []NamespacePullSecret `json:"namespaces"`
}

// NamespacePullSecret is what became of the pull secret in a namespace.
type NamespacePullSecret struct {
	Namespace string `json:"namespace"`
	// Created says that PUT found none.
	Created bool `json:"created,omitempty"`
	// Report is what the pull secret is worth, after GET and PUT.
	Report *PullSecretReport `json:"report,omitempty"`
	// Omitted says that there is a report, but that those of the cluster are larger than a
	// line may be.
	Omitted bool `json:"omitted,omitempty"`
	// Deleted is what DELETE did.
	Deleted *PullSecretDeleted `json:"deleted,omitempty"`
	Problem *Problem           `json:"problem,omitempty"`
}
