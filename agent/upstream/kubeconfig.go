package upstream

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-io/fairlead/deploy/redact"
)

// ErrNotInCluster is returned by [LoadConfig] without a file, outside a pod.
var ErrNotInCluster = errors.New("not running inside a cluster: give kubeconfig")

// namespaceFile is where the kubelet says in which namespace a pod is, beside the token
// of its service account.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// OwnNamespace returns the namespace of the pod that the process runs in.
func OwnNamespace() (string, error) {
	b, err := os.ReadFile(namespaceFile)
	return strings.TrimSpace(string(b)), err
}

// LoadConfig returns how to reach the API server: from the kubeconfig file and
// the context in it ("": its current one), or without a file from the pod that
// the process runs in. [ErrNotInCluster] is permanent; any other error may be
// gone the next time, since files appear and change.
func LoadConfig(kubeconfig, context string) (*rest.Config, error) {
	if kubeconfig == "" {
		config, err := rest.InClusterConfig()
		if errors.Is(err, rest.ErrNotInCluster) {
			return nil, ErrNotInCluster
		}
		if err != nil {
			return nil, fmt.Errorf("in-cluster configuration: %w", err)
		}
		return config, nil
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: context},
	).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, redact.ErrorWithout(err, proxies(kubeconfig)...))
	}
	return config, nil
}

// proxies are the URLs of proxies in a kubeconfig, which may have passwords: client-go
// shows one that it cannot parse.
func proxies(kubeconfig string) (all []string) {
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return nil
	}
	for _, c := range config.Clusters {
		all = append(all, c.ProxyURL)
	}
	return all
}
