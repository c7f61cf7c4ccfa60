package access

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/fairlead-io/fairlead/subjects"
)

// ClusterDomain is the DNS domain below which each cluster has a host of its own:
// with k8s.example.com, cluster prod of tenant acme is at prod.acme.k8s.example.com,
// and cluster prod of the default tenant at prod.k8s.example.com. The zero value
// stands for no domain. It is immutable.
type ClusterDomain string

// ParseClusterDomain checks a domain as an operator writes it, in any case and with
// or without a dot at its end.
func ParseClusterDomain(s string) (ClusterDomain, error) {
	d := strings.ToLower(strings.TrimSuffix(s, "."))
	if d == "" {
		return "", errors.New("cluster domain: none given")
	}
	if len(d) > maxDomain {
		return "", fmt.Errorf("cluster domain: longer than %d bytes, which leaves no room for names", maxDomain)
	}
	for label := range strings.SplitSeq(d, ".") {
		if err := subjects.CheckName(label); err != nil {
			return "", fmt.Errorf("cluster domain %q is not a DNS name such as k8s.example.com", s)
		}
	}
	if net.ParseIP(d) != nil {
		return "", fmt.Errorf("cluster domain %q is an address, not a DNS name", s)
	}
	return ClusterDomain(d), nil
}

// maxDomain leaves room for two labels of 63 bytes before the domain: a DNS name
// has at most 253 (RFC 1035 section 2.3.4).
const maxDomain = 253 - 2*64

// Cluster returns the cluster that a request's host names, as written before the
// domain, which may not be a good name. ok is false for every host that is not
// below the domain. host is that of the request target or of the Host header, as
// [http.Request.Host] has it: names are compared without regard to case, and a port
// and the dot of a fully qualified name do not count (RFC 9110 section 4.2.3, RFC
// 1034 section 3.1).
func (d ClusterDomain) Cluster(host string) (name string, ok bool) {
	if d == "" || len(host) <= len(d) { // all that callers send when there is none
		return "", false
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	host = strings.TrimSuffix(host, ".")
	at := len(host) - len(d)
	if at < 1 || host[at-1] != '.' || !strings.EqualFold(host[at:], string(d)) {
		return "", false
	}
	return strings.ToLower(host[:at-1]), true
}

// Host is the host of a cluster.
func (d ClusterDomain) Host(ref subjects.ClusterRef) string { return ref.String() + "." + string(d) }
