package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// errBadRequest is wrapped where a request cannot be sent as it is.
var errBadRequest = errors.New("bad request")

// timeLimit is the cause of a request's context when its time is over.
type timeLimit time.Duration

func (t timeLimit) Error() string {
	return fmt.Sprintf("the request's time limit of %s is over", time.Duration(t))
}

// failureOf maps what went wrong before an answer to the code and the detail
// that the bridge is told.
func failureOf(ctx context.Context, err error) (subjects.Code, string) {
	if e, ok := errors.AsType[*answerError](err); ok {
		return subjects.CodeUpstream, e.Error() // the request was executed
	}
	if code, detail, ok := requestFault(ctx, err); ok {
		return code, detail
	}
	if untrusted(err) {
		return subjects.CodeUntrusted, err.Error()
	}
	if _, sent := errors.AsType[*sendError](err); !sent {
		// What stands around the transport failed: an exec plugin, a token.
		return subjects.CodeUnreachable, "credentials for API server: " + err.Error()
	}
	if e, ok := errors.AsType[*connectError](err); ok {
		return subjects.CodeUnreachable, e.Error()
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && (e.Op == "dial" || e.Op == "proxyconnect") {
		return subjects.CodeUnreachable, "connect to API server: " + e.Error()
	}
	return subjects.CodeUpstream, "connection to API server lost: " + err.Error()
}

// requestFault finds the causes that lie with the request and its caller.
func requestFault(ctx context.Context, err error) (subjects.Code, string, bool) {
	if limit, ok := errors.AsType[timeLimit](context.Cause(ctx)); ok {
		return subjects.CodeTimeout, limit.Error(), true
	}
	if e, ok := errors.AsType[*bodyLengthError](err); ok {
		return subjects.CodeBadRequest, e.Error(), true
	}
	if e, ok := errors.AsType[*headError](err); ok {
		return subjects.CodeProtocol, e.Error(), true
	}
	switch {
	case errors.Is(err, errBadRequest):
		return subjects.CodeBadRequest, err.Error(), true
	case errors.Is(err, subjects.ErrHeadTooLarge):
		return subjects.CodeTooLarge, err.Error(), true
	case errors.Is(err, subjects.ErrHead):
		return subjects.CodeProtocol, err.Error(), true
	}
	return 0, "", false
}

func untrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}
