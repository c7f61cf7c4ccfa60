package pki

import (
	"encoding/base64"
	"fmt"
	"os"
)

// Kubeconfig renders a self-contained kubeconfig for one user of one server.
func Kubeconfig(server string, ca []byte, user Pair) []byte {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: test
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: test
  context:
    cluster: test
    user: test
current-context: test
`, server, b64(ca), b64(user.Cert), b64(user.Key))
}

// WriteKubeconfig stores Kubeconfig's result where only the owner reads it.
func WriteKubeconfig(path, server string, ca []byte, user Pair) error {
	if err := os.WriteFile(path, Kubeconfig(server, ca, user), 0o600); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}
