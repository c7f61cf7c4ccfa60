package testbed

import (
	"net/http"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// NewClientset returns a client-go client without a rate limit, and its HTTP
// client, whose idle connections the caller closes in the end.
func NewClientset(kubeconfig string) (*kubernetes.Clientset, *http.Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, nil, err
	}
	config.QPS, config.Burst = -1, -1 // tests make thousands of objects
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, nil, err
	}
	set, err := kubernetes.NewForConfigAndClient(config, client)
	return set, client, err
}
