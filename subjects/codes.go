package subjects

import (
	"errors"
	"strconv"
)

// Code says why a stream was reset. Codes cross the wire; the list is closed
// within a protocol version and numbers are never reused. A bridge maps each
// to one HTTP status and reason.
type Code uint16

// The codes.
const (
	// CodeCanceled: the caller went away or gave up; nothing went wrong.
	CodeCanceled Code = 1
	// CodeProtocol: the peer broke the wire contract.
	CodeProtocol Code = 2
	// CodeIncompatible: the peer speaks no common protocol version.
	CodeIncompatible Code = 3
	// CodeInternal: a defect on the side that reset the stream.
	CodeInternal Code = 4
	// CodeOverloaded: the instance has as many streams as it may have; not executed.
	CodeOverloaded Code = 5
	// CodeDraining: the instance is going away; not executed.
	CodeDraining Code = 6
	// CodeRefused: the cluster's owner does not allow this request; not executed.
	CodeRefused Code = 7
	// CodeTooLarge: a head or trailer is over its limit; not executed.
	CodeTooLarge Code = 8
	// CodeUnreachable: the agent could not connect to its API server; not executed.
	CodeUnreachable Code = 9
	// CodeUntrusted: the API server's certificate did not verify; not executed.
	CodeUntrusted Code = 10
	// CodeUpstream: the connection to the API server broke after the request
	// was sent; its outcome may be unknown.
	CodeUpstream Code = 11
	// CodeTimeout: a time limit of the exchange ran out; outcome unknown.
	CodeTimeout Code = 12
	// CodePeerLost: the peer gave no sign of life for PeerTimeout; outcome unknown.
	CodePeerLost Code = 13
	// CodeLinkLost: the own connection was down for OutageTimeout; outcome unknown.
	CodeLinkLost Code = 14
	// CodeNoInstance: nobody is subscribed for the instance; not executed.
	CodeNoInstance Code = 15
	// CodeUnknownOutcome: the instance has forgotten the stream; outcome unknown.
	CodeUnknownOutcome Code = 16
	// CodeShutdown: the resetting process stops.
	CodeShutdown Code = 17
	// CodeBadRequest: the request cannot be sent as it is (a broken chunked
	// body, a malformed path).
	CodeBadRequest Code = 18
)

var codeNames = [...]string{
	CodeCanceled: "canceled", CodeProtocol: "protocol-error", CodeIncompatible: "incompatible",
	CodeInternal: "internal", CodeOverloaded: "overloaded", CodeDraining: "draining",
	CodeRefused: "refused", CodeTooLarge: "too-large", CodeUnreachable: "api-server-unreachable",
	CodeUntrusted: "api-server-untrusted", CodeUpstream: "api-server-connection-lost",
	CodeTimeout: "timeout", CodePeerLost: "peer-lost", CodeLinkLost: "link-lost",
	CodeNoInstance: "no-instance", CodeUnknownOutcome: "outcome-unknown",
	CodeShutdown: "shutdown", CodeBadRequest: "bad-request",
}

func (c Code) String() string {
	if int(c) < len(codeNames) && codeNames[c] != "" {
		return codeNames[c]
	}
	return "code-" + strconv.Itoa(int(c))
}

// NotExecuted reports whether a request that ended with c certainly never
// reached the API server, so that it may be sent again whatever its method.
func (c Code) NotExecuted() bool {
	switch c {
	case CodeOverloaded, CodeDraining, CodeRefused, CodeTooLarge, CodeUnreachable,
		CodeUntrusted, CodeNoInstance, CodeIncompatible:
		return true
	}
	return false
}

// ResetError is the terminal cause of a stream.
type ResetError struct {
	Code   Code
	Detail string // for people; may be empty
	Remote bool   // the peer reset the stream, not this side
}

func (e *ResetError) Error() string {
	s := "stream reset"
	if e.Remote {
		s += " by peer"
	}
	s += ": " + e.Code.String()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// CodeOf returns the code of the [ResetError] that err wraps, or 0.
func CodeOf(err error) Code {
	if re, ok := errors.AsType[*ResetError](err); ok {
		return re.Code
	}
	return 0
}
