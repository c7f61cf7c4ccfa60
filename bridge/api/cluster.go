package api

import "time"

// ClusterList is the answer to GET /v1/clusters.
type ClusterList struct {
	Clusters []Cluster `json:"clusters"`
	// Continue is what to send as ?continue= for the clusters that follow, "" if none do.
	Continue string `json:"continue,omitempty"`
	// Unavailable are the tenants whose clusters may be missing, or be others.
	Unavailable []TenantFault `json:"unavailable,omitempty"`
}

// TenantFault says why a tenant could not be asked for its clusters.
type TenantFault struct {
	Tenant string `json:"tenant"`
	// Code is one of those of [Problem].
	Code   string `json:"code"`
	Reason string `json:"reason"`
}

// Cluster is the answer to GET /v1/clusters/{cluster}.
type Cluster struct {
	// Name is how the cluster is written everywhere: prod or prod.tenant.
	Name    string `json:"name"`
	Tenant  string `json:"tenant"`
	Cluster string `json:"cluster"`
	State   string `json:"state"`
	// LastSeen is when an agent of the cluster was last heard.
	LastSeen *time.Time `json:"lastSeen,omitempty"`
	// OfflineSince is when the last agent of a cluster that is offline, or reconnecting, was
	// heard; nil for one in another state.
	OfflineSince *time.Time `json:"offlineSince,omitempty"`
	// Labels are those that the cluster's agent tells, and over them the operator's.
	Labels map[string]string `json:"labels,omitempty"`
	// Kubernetes is the API server's version.
	Kubernetes string `json:"kubernetes,omitempty"`
	// Distribution is that of Kubernetes, where its version tells: gke, eks, k3s, rke2, k0s.
	Distribution string `json:"distribution,omitempty"`
	// Platform is what the API server runs on, such as linux/amd64.
	Platform string `json:"platform,omitempty"`
	// CredentialExpires is when the first credential of an instance expires.
	CredentialExpires *time.Time `json:"credentialExpires,omitempty"`
	// Warnings are for people, one sentence each: a credential that expires within 30 days,
	// an API server that is not reached, a version too far from the bridge's.
	Warnings  []string   `json:"warnings,omitempty"`
	Instances []Instance `json:"instances"`
}

// Instance is a running agent of a cluster.
type Instance struct {
	Name string `json:"name"`
	// State is up or draining.
	State string `json:"state"`
	// Compatible says whether the agent speaks a protocol version of the bridge.
	Compatible bool       `json:"compatible"`
	Version    string     `json:"version,omitempty"`
	Started    *time.Time `json:"started,omitempty"`
	LastSeen   time.Time  `json:"lastSeen"`
	Kubernetes string     `json:"kubernetes,omitempty"`
	// APIServerReachable is whether the API server answered the agent.
	APIServerReachable bool `json:"apiServerReachable"`
	// Streams is how many requests the agent serves, of all bridges.
	Streams int `json:"streams"`
	// Pod and Node are where the agent runs.
	Pod  string `json:"pod,omitempty"`
	Node string `json:"node,omitempty"`
	// Broker is the broker node that the agent is connected to, and ConnectedSince since when.
	Broker         string     `json:"broker,omitempty"`
	ConnectedSince *time.Time `json:"connectedSince,omitempty"`
	// RTTMicroseconds is the latest round trip from the agent to its broker node.
	RTTMicroseconds int64 `json:"rttMicroseconds,omitempty"`
	// Requests is how many the API server has answered, and BytesUp and BytesDown are the
	// bytes to it and from it, since the agent started.
	Requests  int64 `json:"requests,omitempty"`
	BytesUp   int64 `json:"bytesUp,omitempty"`
	BytesDown int64 `json:"bytesDown,omitempty"`
	// CredentialExpires is when the credential in use expires; nil: never, or not told.
	CredentialExpires *time.Time `json:"credentialExpires,omitempty"`
	// VersionSkew says that the agent's version is too far from the bridge's, "" if not.
	VersionSkew string `json:"versionSkew,omitempty"`
	// LastFailure is why the agent had no connection to a broker before this one or,
	// while it does not reach its API server, why not; and for an instance that is not
	// compatible, which side is too old.
	LastFailure *LastFailure `json:"lastFailure,omitempty"`
}

// LastFailure is the latest failure that an agent has told: see docs/troubleshooting.md.
type LastFailure struct {
	// Hop is the step that failed, such as tcp; unknown if only a newer bridge knows it.
	Hop string `json:"hop"`
	// Cause is one of the catalogue, or unknown.
	Cause string `json:"cause"`
	// Title is the cause in a few words.
	Title string `json:"title"`
	// At is since when it failed, by the agent's clock.
	At time.Time `json:"at"`
	// Detail is what came back, in the agent's words.
	Detail string `json:"detail,omitempty"`
}
