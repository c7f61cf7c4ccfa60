//go:build linux

package network

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// kubeProvocations are failures at the API server.
var kubeProvocations = []provocation{
	{hop: cause.Kubernetes, cause: cause.Refused, how: "closed port", open: true, set: kubeWith(func(si *site, c *clientcmdapi.Config) {
		server(c).Server = "https://" + net.JoinHostPort(apiIP, "9")
	})},
	{hop: cause.Kubernetes, cause: cause.CertificateUnknown, how: "wrong CA", open: true, set: kubeWith(func(si *site, c *clientcmdapi.Config) {
		server(c).CertificateAuthorityData = si.ca.PEM()
	})},
	{hop: cause.Kubernetes, cause: cause.CertificateName, how: "another name", open: true, set: kubeWith(func(_ *site, c *clientcmdapi.Config) {
		server(c).TLSServerName = "www.corp.example"
	})},
	{hop: cause.Kubernetes, cause: cause.TokenRefused, how: "wrong token", open: true, set: kubeWith(func(_ *site, c *clientcmdapi.Config) {
		for _, u := range c.AuthInfos {
			u.Token = "wrong"
		}
	})},
	{hop: cause.Kubernetes, cause: cause.APIServerRefused, how: "503", open: true, set: kubeWith(func(si *site, c *clientcmdapi.Config) {
		at := strings.TrimPrefix(si.faults().at["down"], "https://")
		server(c).Server, server(c).TLSServerName, server(c).CertificateAuthorityData = "https://"+at, webName, si.ca.PEM()
	})},
	{hop: cause.Kubernetes, cause: cause.RBACMissing, how: "no right to leases", open: true, set: func(si *site) route {
		allow := filepath.Join(si.dir, "allow.yaml")
		si.must(os.WriteFile(allow, []byte("readOnly: true\nas: {agent: true, users: [jane], uids: [\"1\"]}\n"), 0o600))
		return route{server: si.server("tls"), flags: []string{"--allow", allow}}
	}, then: func(si *site) {
		// The doctor finds another right that the list needs: the one to impersonate a UID.
		if err := si.get(si.t.Context(), "/apis/coordination.k8s.io/v1/namespaces/default/leases", io.Discard); err == nil || !strings.Contains(err.Error(), "403") {
			si.t.Errorf("leases are read: %v", err)
		}
	}},
	{hop: cause.Kubernetes, cause: cause.APIServerConfig, how: "no kubeconfig", open: true, set: func(si *site) route {
		si.config = filepath.Join(si.dir, "no-such-file")
		return route{server: si.server("tls")}
	}},
}

func server(c *clientcmdapi.Config) *clientcmdapi.Cluster {
	for _, s := range c.Clusters {
		return s
	}
	panic(fmt.Sprint("a kubeconfig without a cluster: ", c))
}

// kubeWith is the direct way to the broker, with another kubeconfig.
func kubeWith(change func(*site, *clientcmdapi.Config)) func(*site) route {
	return func(si *site) route {
		si.t.Helper()
		config, err := clientcmd.LoadFromFile(si.config)
		si.must(err)
		change(si, config)
		si.config = si.writeConfig("changed.kubeconfig", config)
		return route{server: si.server("tls")}
	}
}
