package upstream

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

// failed is the failure that an answer of the API server is.
func (u *Client) failed(id cause.ID, path string, status int, text []byte) *cause.Failure {
	got := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if len(text) > 0 {
		got += fmt.Sprintf(": %.200s", text)
	}
	switch id {
	case cause.TokenRefused:
		got = "API server does not accept the agent's credentials: answered " + got
	case cause.APIServerRefused:
		got = "API server is not ready: answered " + got
	}
	return &cause.Failure{
		Hop: cause.Kubernetes, Cause: id, Tried: "request " + path + " of API server " + u.Host(), Got: cause.Plain(got), Do: cures[id],
	}
}

// unreachable is the failure to get an answer.
func (u *Client) unreachable(err error) *cause.Failure {
	if f := cause.Of(err); f != nil {
		return f
	}
	f := classify.Error(cause.Kubernetes, "reach API server "+u.Host(), err)
	if _, ok := errors.AsType[*credentialError](err); ok && f.Cause == cause.Unknown {
		f.Cause = cause.APIServerConfig
	}
	f.Do = cures[f.Cause]
	return f
}

// cures replace those of the catalogue that are about brokers.
var cures = map[cause.ID]string{
	cause.UnknownHost: "Check the address of the API server in the kubeconfig. In a pod, check KUBERNETES_SERVICE_HOST.",
	cause.Refused:     "Check the address of the API server, and whether it runs. In a pod, check the Service kubernetes and the cluster's network.",
	cause.Unreachable: "Check routes, NetworkPolicies and firewalls between the agent and the API server.",
	cause.Timeout:     "Check NetworkPolicies and firewalls between the agent and the API server, and its load.",
	cause.CertificateUnknown: "Give the API server's CA in the kubeconfig (certificate-authority). In a pod, the service account brings it (ca.crt): " +
		"check that the address is that of this cluster.",
	cause.CertificateName:   "Use one of the names of the certificate in the kubeconfig, or give the name that it does have as tls-server-name there.",
	cause.ClientCertificate: "Check the client certificate in the kubeconfig: its issuer and its time of validity.",
	cause.TLSRefused:        "Check the versions and names in the API server's TLS settings.",
	cause.NotTLS:            "Check the scheme and port of the API server's address.",
	cause.Intercepted:       "Connect the agent to the API server without a device that inspects TLS.",
}

// noWay is the failure of a configuration by which no client can be made.
func noWay(err error) *cause.Failure {
	if f := cause.Of(err); f != nil {
		return f
	}
	return &cause.Failure{Hop: cause.Kubernetes, Cause: cause.APIServerConfig, Tried: "load the configuration for the API server", Got: classify.Text(err), Err: err}
}

// credentialError is an error of what gets the agent's credential, such as an exec
// plugin.
type credentialError struct{ error }

func (e *credentialError) Unwrap() error { return e.error }
