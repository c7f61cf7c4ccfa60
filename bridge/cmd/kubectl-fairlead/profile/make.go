package profile

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	clientcmdv1 "k8s.io/client-go/tools/clientcmd/api/v1"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// Maker makes the profiles of a bridge's clusters. It is safe for concurrent use.
type Maker struct {
	Namespace string // "": none
	Manager   string
	Bridge    string // its URL, as those reach it who read the profiles
	CA        []byte // PEM that they are to trust; empty: what the system trusts
}

// Make returns the profile of a cluster. The time of its condition is that of now.
func (m *Maker) Make(c *api.Cluster, now metav1.Time) *Profile {
	p := &Profile{
		TypeMeta: metav1.TypeMeta{APIVersion: Resource.GroupVersion().String(), Kind: kind},
		ObjectMeta: metav1.ObjectMeta{
			Name: c.Name, Namespace: m.Namespace, Labels: map[string]string{managerLabel: m.Manager},
		},
		Spec: Spec{DisplayName: c.Name, ClusterManager: Manager{Name: m.Manager}},
		Status: Status{
			Version:    Version{Kubernetes: c.Kubernetes},
			Properties: properties(c),
			AccessProviders: []AccessProvider{{Name: Provider, Cluster: clientcmdv1.Cluster{
				Server: m.Bridge + "/k8s/clusters/" + c.Name, CertificateAuthorityData: m.CA,
			}}},
		},
	}
	health := health(c)
	health.LastTransitionTime = now
	meta.SetStatusCondition(&p.Status.Conditions, health)
	return p
}

// Names of properties beside those of labels.
const (
	propertyState        = "fairlead.io/state"
	propertyTenant       = "fairlead.io/tenant"
	propertyDistribution = "fairlead.io/distribution"
	propertyPlatform     = "fairlead.io/platform"
)

// maxValue is the longest value of a property in characters that the API takes.
const maxValue = 1024

// properties are the cluster's labels, which are mostly its agent's word, and what the
// bridge itself knows. They are no labels of the profile: those select what is deployed to
// a cluster, which is not the agent's to say.
func properties(c *api.Cluster) (all []Property) {
	values := maps.Clone(c.Labels)
	if values == nil {
		values = map[string]string{}
	}
	values[propertyState], values[propertyTenant] = c.State, c.Tenant
	values[propertyDistribution], values[propertyPlatform] = c.Distribution, c.Platform
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if v := values[name]; name != "" && len(name) <= 253 && v != "" && len(v) <= maxValue {
			all = append(all, Property{Name: name, Value: v})
		}
	}
	return all
}

// Chosen reports whether a profile is of a cluster that was of a tenant ("": any) and had
// labels that match when its profile was written last.
func (p *Profile) Chosen(tenant string, match labels.Selector) bool {
	values := labels.Set{}
	for _, one := range p.Status.Properties {
		values[one.Name] = one.Value
	}
	if tenant != "" && values[propertyTenant] != tenant {
		return false
	}
	return match.Empty() || len(values) > 0 && match.Matches(values)
}

// health is the condition of the control plane, as far as a bridge can know.
func health(c *api.Cluster) metav1.Condition {
	h := metav1.Condition{Type: controlPlaneHealthy, Status: metav1.ConditionUnknown, Reason: "Unknown", Message: "the bridge says: " + c.State}
	switch c.State {
	case "connected":
		h.Status, h.Reason, h.Message = metav1.ConditionFalse, "APIServerUnreachable", "agents are connected, and none reaches the API server"
		for _, i := range c.Instances {
			if i.Compatible && i.APIServerReachable {
				h.Status, h.Reason, h.Message = metav1.ConditionTrue, "APIServerReachable", "an agent reaches the API server"
				break
			}
		}
	case "draining":
		h.Reason, h.Message = "AgentsDraining", "the last agents are stopping"
	case "incompatible":
		h.Reason, h.Message = "AgentsIncompatible", "agent and bridge have no protocol version in common"
	case "reconnecting", "offline", "disconnected":
		h.Reason, h.Message = "AgentsOffline", "no agent is connected"
	case "never-connected":
		h.Reason, h.Message = "NeverConnected", "no agent has connected yet"
	}
	return h
}
