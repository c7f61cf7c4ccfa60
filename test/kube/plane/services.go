package plane

import (
	"context"
	"fmt"
)

// VolumeProvisionerName is what storage classes call the provisioner of the
// node's folders.
const VolumeProvisionerName = "fairlead.test/local"

// serviceObjects are what the components of services need in the API, by the
// collection that they go to. kube-proxy has its role in every cluster.
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
	// Folders are of one node, so a claim waits until its pod has one.
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
