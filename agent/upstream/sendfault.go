package upstream

import (
	"crypto/tls"
	"errors"
	"net"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/subjects"
)

// sendFault returns the fault in err, or makes one for an error of net/http.
func sendFault(err error) error {
	if f := fault.In(err); f != nil { // of connecting, or of the request's body
		return f
	}
	if connectCode(err) == subjects.CodeUntrusted {
		return fault.Newf(subjects.CodeUntrusted, "connect to API server: %w", err)
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && (e.Op == "dial" || e.Op == "proxyconnect") {
		return fault.Newf(subjects.CodeUnreachable, "connect to API server: %w", err)
	}
	if notExecuted(err) {
		return fault.Newf(subjects.CodeUpstreamRefused, "the API server does not take the request: %w", err)
	}
	return fault.Newf(subjects.CodeUpstream, "connection to API server lost: %w", err)
}

// connectCode tells a certificate that does not verify from other failures to
// connect.
func connectCode(err error) subjects.Code {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return subjects.CodeUntrusted
	}
	return subjects.CodeUnreachable
}
