package proxy

import (
	"errors"
	"net"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

// networkFailure is a failure to reach the proxy itself, or to talk to it.
func networkFailure(tried string, err error) *cause.Failure {
	f := *classify.Error(cause.Proxy, tried, err)
	if f.Hop == cause.Proxy {
		if errors.Is(err, net.ErrClosed) { // by this end, whose patience is over
			f.Cause, f.Got = cause.Timeout, "no answer in time"
		}
		// The error is not for those who look for one of the broker's.
		f.Tried, f.Err = tried, nil
		if f.Do == "" {
			f.Do = cures[f.Cause]
		}
	}
	return &f
}

// plainHTTP is what to do about an https:// URL of a proxy that has no TLS.
const plainHTTP = "Check the scheme of the proxy's URL first: a proxy that speaks plain HTTP has a URL with http://, even for HTTPS_PROXY. " +
	"Then check its port, and read the proxy's log."

// cures replace those of the catalogue that are about brokers.
var cures = map[cause.ID]string{
	cause.UnknownHost:        "Check the name in the proxy's URL, and resolve it from the same pod or machine.",
	cause.Unreachable:        "Check the address in the proxy's URL, and routes, egress rules and firewalls on the way to the proxy.",
	cause.Timeout:            "Check the address and port in the proxy's URL, and firewalls, egress rules and NetworkPolicies on the way to the proxy.",
	cause.ConnectionLost:     "Check the scheme (http, https or socks5) and port of the proxy's URL, and read the proxy's log.",
	cause.CertificateUnknown: "Compare the chain with what the proxy's owner expects, and give its CA with --proxy-ca.",
	cause.NotTLS:             plainHTTP,
	cause.CertificateName:    "Use one of the names of the proxy's certificate in the proxy's URL.",
}

// tried says what is being tried once the proxy is reached.
func (t *tunnel) tried() string {
	return "connect to " + t.server + " through the proxy " + Name(t.proxy)
}

// failure is one of the proxy's response to the request for a connection. What the proxy
// has said is in got by [tunnel.said]: our own words are shown even if a password is one.
func (t *tunnel) failure(id cause.ID, got, do string) *cause.Failure {
	return &cause.Failure{Hop: cause.Proxy, Cause: id, Tried: t.tried(), Got: cause.Plain(got), Do: do}
}
