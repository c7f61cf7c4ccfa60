package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// The agent's identity in the cluster.
const (
	agentNamespace = "fairlead"
	agentAccount   = "fairlead-agent"
)

const (
	// tokenLifetime is the lifetime that Kubernetes gives a pod's own token too.
	tokenLifetime = time.Hour
	// renewEvery leaves the agent, which reads the file every minute, many
	// tries before the old token ends.
	renewEvery = tokenLifetime / 3
	// retryEvery is the pause after a failed request for a token.
	retryEvery = 5 * time.Second
)

// agentKubeconfig has paths relative to itself, as client-go takes them.
const agentKubeconfig = `apiVersion: v1
kind: Config
current-context: private
clusters: [{name: private, cluster: {server: "https://` + serverName + ":" + apiPort + `", certificate-authority: ca.crt}}]
users: [{name: agent, user: {tokenFile: token}}]
contexts: [{name: private, context: {cluster: private, user: agent}}]
`

func accessFile(dir, name string) string { return filepath.Join(dir, name) }

// keepAccess makes the agent's identity and keeps a token of it in dir until
// ctx ends. The kubeconfig is written last: a reader that sees it can use it.
func keepAccess(ctx context.Context, a *api, ca []byte, dir string) error {
	if err := grant(ctx, a); err != nil {
		return err
	}
	wait := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = renewEvery
		token, err := newToken(ctx, a)
		if err != nil {
			fmt.Fprintln(os.Stderr, "privatecluster:", err)
			wait = retryEvery
			continue
		}
		for _, f := range []struct{ name, content string }{
			{"ca.crt", string(ca)}, {"token", token}, {"kubeconfig", agentKubeconfig},
		} {
			if err := writeFile(accessFile(dir, f.name), []byte(f.content)); err != nil {
				return err
			}
		}
	}
}

type object map[string]any

// grant gives the agent the default rights of its chart, read access without secrets,
// and more rights in one namespace, so that there is something to try.
func grant(ctx context.Context, a *api) error {
	const rbac = "/apis/rbac.authorization.k8s.io/v1"
	subjects := []object{{"kind": "ServiceAccount", "name": agentAccount, "namespace": agentNamespace}}
	role := func(name string) object {
		return object{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
	}
	for _, o := range []struct {
		path, version, kind, name string
		rest                      object
	}{
		{"/api/v1/namespaces", "v1", "Namespace", agentNamespace, nil},
		{"/api/v1/namespaces", "v1", "Namespace", "playground", nil},
		{"/api/v1/namespaces/" + agentNamespace + "/serviceaccounts", "v1", "ServiceAccount", agentAccount, nil},
		{rbac + "/clusterrolebindings", "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "fairlead-agent-view",
			object{"roleRef": role("view"), "subjects": subjects}},
		{rbac + "/namespaces/playground/rolebindings", "rbac.authorization.k8s.io/v1", "RoleBinding", "fairlead-agent-edit",
			object{"roleRef": role("edit"), "subjects": subjects}},
	} {
		whole := object{"apiVersion": o.version, "kind": o.kind, "metadata": object{"name": o.name}}
		for k, v := range o.rest {
			whole[k] = v
		}
		if err := a.apply(ctx, o.path, o.name, whole); err != nil {
			return fmt.Errorf("agent's identity: %w", err)
		}
	}
	return nil
}

func newToken(ctx context.Context, a *api) (string, error) {
	request := object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
		"spec": object{"expirationSeconds": int(tokenLifetime.Seconds())}}
	path := "/api/v1/namespaces/" + agentNamespace + "/serviceaccounts/" + agentAccount + "/token"
	answer, status, err := a.call(ctx, http.MethodPost, path, "application/json", request)
	if err != nil {
		return "", fmt.Errorf("agent's token: %w", err)
	}
	if status != http.StatusCreated { // the answer to a refusal holds no token
		return "", fmt.Errorf("agent's token: status %d: %.300s", status, answer)
	}
	var made struct{ Status struct{ Token string } }
	if err := json.Unmarshal(answer, &made); err != nil || made.Status.Token == "" {
		return "", fmt.Errorf("agent's token: no token in the answer")
	}
	return made.Status.Token, nil
}
