package profile

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientcmdv1 "k8s.io/client-go/tools/clientcmd/api/v1"
)

// Resource is that of ClusterProfiles. v1alpha1 is the version in which they are stored,
// and the one that every release of the API serves.
var Resource = schema.GroupVersionResource{Group: "multicluster.x-k8s.io", Version: "v1alpha1", Resource: "clusterprofiles"}

const (
	kind = "ClusterProfile"
	// managerLabel repeats the name of the cluster manager, for selectors.
	managerLabel = "x-k8s.io/cluster-manager"
	// controlPlaneHealthy is the condition that KEP-4322 defines.
	controlPlaneHealthy = "ControlPlaneHealthy"
	// Provider is the name of the access provider: programs look it up in their own list
	// of commands that get a credential (KEP-5339).
	Provider = "fairlead"
)

// Profile is a ClusterProfile.
type Profile struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              Spec   `json:"spec"`
	Status            Status `json:"status"`
}

// Spec says whose cluster it is.
type Spec struct {
	DisplayName    string  `json:"displayName,omitempty"`
	ClusterManager Manager `json:"clusterManager"`
}

// Manager names a cluster manager. It never changes.
type Manager struct {
	Name string `json:"name"`
}

// Status is what a bridge knows of a cluster.
type Status struct {
	Conditions      []metav1.Condition `json:"conditions,omitempty"`
	Version         Version            `json:"version,omitzero"`
	Properties      []Property         `json:"properties,omitempty"`
	AccessProviders []AccessProvider   `json:"accessProviders,omitempty"`
}

// Version has the version of Kubernetes, such as v1.34.1.
type Version struct {
	Kubernetes string `json:"kubernetes,omitempty"`
}

// Property is a name and a value that is not empty.
type Property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// AccessProvider is a way to reach a cluster.
type AccessProvider struct {
	Name    string              `json:"name"`
	Cluster clientcmdv1.Cluster `json:"cluster"`
}
