package kube

import (
	"errors"
	"net/http"

	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/bridge/client"
)

// RESTConfig returns a configuration with which client-go speaks to the API server of a
// cluster through the bridge: requests, watches, exec, attach and port-forward. It has the
// CAs, client certificate and token source of the client, which must not have a Transport
// of its own. The caller may change it.
func RESTConfig(c *client.Client, cluster string) (*rest.Config, error) {
	t, ok := c.TLS()
	if !ok {
		return nil, errors.New("the client has a transport of its own, which client-go cannot use for upgrades")
	}
	config := &rest.Config{
		Host: c.ClusterURL(cluster), UserAgent: c.UserAgent(),
		TLSClientConfig: rest.TLSClientConfig{CAData: t.CA, CertData: t.Certificate, KeyData: t.Key},
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return c.Authorize(next) })
	return config, nil
}
