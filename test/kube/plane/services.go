package plane

import (
	"context"
	"fmt"
)

// VolumeProvisionerName names the provisioner of the node's folders in storage
// classes.
const VolumeProvisionerName = "fairlead.test/local"

// serviceObjects are the objects that the components of services need, by their
// collection. kube-proxy has its role in every cluster.
var serviceObjects = []struct{ path, object string }{
	{"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: volume-provisioner}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:persistent-volume-provisioner}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:volume-provisioner"}]
`},
	{"/apis/rbac.authorization.k8s.io/v1/clusterroles", `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: coredns}
rules:
- {apiGroups: [""], resources: [services, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
`},
	{"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: coredns}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:coredns"}]
`},
	// Folders belong to one node, so a claim waits until its pod has a node.
	{"/apis/storage.k8s.io/v1/storageclasses", `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: ` + VolumeProvisionerName + `
volumeBindingMode: WaitForFirstConsumer
`},
}

func makeServices(ctx context.Context, c *Client) error {
	for _, o := range serviceObjects {
		if err := c.Create(ctx, o.path, o.object); err != nil {
			return fmt.Errorf("make objects of services: %w", err)
		}
	}
	return nil
}
