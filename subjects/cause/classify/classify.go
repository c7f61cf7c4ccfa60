package classify

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"syscall"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Error says why a step failed. hop is the step that was taken; an error of an earlier
// one, such as of resolving a name in the step [cause.NATS], moves the failure there.
// The hops [cause.Proxy] and [cause.Kubernetes] stay, since they name the peer that all
// steps lead to. tried says what was tried, for people. err is not nil; the failure
// wraps it.
func Error(hop cause.Hop, tried string, err error) *cause.Failure {
	if f := cause.Of(err); f != nil {
		return f
	}
	f := &cause.Failure{Hop: hop, Cause: cause.Unknown, Tried: cause.Plain(tried), Got: Text(err), Err: err}
	if at, id, got := judge(err); id != cause.Unknown {
		f.Cause = id
		if got != "" {
			f.Got = cause.Plain(got)
		}
		if hop != cause.Proxy && hop != cause.Kubernetes && at != "" {
			f.Hop = at
		}
	} else if hop == cause.TLS {
		f.Cause = cause.TLSRefused // no version or method in common, or a peer that breaks the rules
	}
	return f
}

// judge returns the cause of an error, the hop that it must come from, "" for any, and
// what came back in better words than the error's, "" for none.
func judge(err error) (cause.Hop, cause.ID, string) {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return cause.DNS, ofDNS(e), ""
	}
	if id, got := ofTLS(err); id != cause.Unknown {
		return cause.TLS, id, got
	}
	at := cause.Hop("")
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		at = cause.TCP
	}
	for _, known := range errnos {
		if errors.Is(err, known.err) {
			return at, known.id, ""
		}
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return at, cause.Timeout, ""
	}
	return "", cause.Unknown, ""
}

func ofDNS(e *net.DNSError) cause.ID {
	if e.IsNotFound {
		return cause.UnknownHost
	}
	return cause.DNSFailed
}

// errnos are what the system says of a connection. A packet filter on the machine
// itself answers with EPERM or EACCES.
var errnos = []struct {
	err error
	id  cause.ID
}{
	{syscall.ECONNREFUSED, cause.Refused},
	{syscall.EHOSTUNREACH, cause.Unreachable},
	{syscall.ENETUNREACH, cause.Unreachable},
	{syscall.ENETDOWN, cause.Unreachable},
	{syscall.EHOSTDOWN, cause.Unreachable},
	{syscall.EADDRNOTAVAIL, cause.Unreachable},
	{syscall.EPERM, cause.Unreachable},
	{syscall.EACCES, cause.Unreachable},
	{syscall.ETIMEDOUT, cause.Timeout},
	{syscall.ECONNRESET, cause.ConnectionLost},
	{syscall.ECONNABORTED, cause.ConnectionLost},
	{syscall.EPIPE, cause.ConnectionLost},
	{io.ErrUnexpectedEOF, cause.ConnectionLost},
	{io.EOF, cause.ConnectionLost},
	{net.ErrClosed, cause.ConnectionLost},
}

// Text shows an error without this end of its connection, whose port would make each
// failure look different, and fit for a log.
func Text(err error) string { return cause.Plain(ownEnd.ReplaceAllString(err.Error(), "")) }

// ownEnd is this end of a connection, as package net writes it.
var ownEnd = regexp.MustCompile(`[^\s"]+->`)

// Alert returns the alert that the other end has sent, and whether there is one.
func Alert(err error) (tls.AlertError, bool) {
	e, ok := errors.AsType[*net.OpError](err)
	if !ok || e.Op != "remote error" || e.Err == nil {
		return 0, false
	}
	for code := range tls.AlertError(121) { // the last one assigned is 120
		if code.Error() == e.Err.Error() {
			return code, true
		}
	}
	return 0, true
}
