package harness

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// AgentNamespace and AgentUser are the identity that MakeAgentIdentity makes.
const (
	AgentNamespace = "fairlead"
	AgentUser      = "system:serviceaccount:fairlead:agent"
)

// identity gives the agent's service account the rights that tests need. It has no
// right to leases, so that a request can be denied. It may impersonate, so that an
// identity header that slipped through would take effect and be noticed.
const identity = `apiVersion: v1
kind: Namespace
metadata: {name: fairlead}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: agent, namespace: fairlead}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: fairlead-agent-test}
rules:
- apiGroups: ["", apps, batch, autoscaling, policy, networking.k8s.io, rbac.authorization.k8s.io,
    apiextensions.k8s.io, discovery.k8s.io, events.k8s.io, storage.k8s.io, fairlead.test]
  resources: ["*"]
  verbs: ["*"]
- nonResourceURLs: ["*"]
  verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: fairlead-agent-test}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: fairlead-agent-test}
subjects:
- {kind: ServiceAccount, name: agent, namespace: fairlead}
`

// MakeAgentIdentity makes a service account for an agent that runs outside the
// cluster, and writes a kubeconfig with a token of it into dir.
func (k *Kube) MakeAgentIdentity(ctx context.Context, dir string) (kubeconfig string, err error) {
	if _, err := k.Run(ctx, identity, "apply", "-f", "-"); err != nil {
		return "", fmt.Errorf("make agent identity: %w", err)
	}
	token, err := k.Run(ctx, "", "create", "token", "agent", "-n", AgentNamespace, "--duration=24h")
	if err != nil {
		return "", fmt.Errorf("make agent identity: %w", err)
	}
	ca, err := os.ReadFile(k.CAFile)
	if err != nil {
		return "", fmt.Errorf("make agent identity: %w", err)
	}
	return WriteKubeconfig(filepath.Join(dir, "agent.kubeconfig"), k.Server, ca, strings.TrimSpace(token))
}

// WriteKubeconfig writes a kubeconfig with one cluster and a bearer token to
// path, and returns path.
func WriteKubeconfig(path, server string, ca []byte, token string) (string, error) {
	content := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: it
clusters:
- name: it
  cluster: {server: %q, certificate-authority-data: %s}
users:
- name: it
  user: {token: %q}
contexts:
- name: it
  context: {cluster: it, user: it}
`, server, base64.StdEncoding.EncodeToString(ca), token)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("write kubeconfig: %w", err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return "", fmt.Errorf("write kubeconfig: %w", err)
	}
	return path, nil
}
