package subjects

import (
	"errors"
	"strconv"
)

// Code says why a stream was reset. Codes cross the wire, and their numbers are
// never used again. A bridge maps each to one HTTP status and reason. To add one:
// a constant here, a row in the table below, a row in PROTOCOL.md, and a row in
// bridge/answer/reset.go, which gives it its status; tests fail if one is missing.
// A peer that does not know a code takes it for "the outcome is unknown".
type Code uint16

// The codes.
const (
	// CodeCanceled: the caller went away or gave up; nothing went wrong.
	CodeCanceled Code = 1
	// CodeProtocol: the peer broke the wire contract.
	CodeProtocol Code = 2
	// CodeIncompatible: the peer speaks no common protocol version, or demands
	// something that this version does not know; not executed.
	CodeIncompatible Code = 3
	// CodeInternal: a defect on the side that reset the stream.
	CodeInternal Code = 4
	// CodeOverloaded: the instance has as many streams as it may have; not executed.
	CodeOverloaded Code = 5
	// CodeDraining: the instance is going away; not executed.
	CodeDraining Code = 6
	// CodeRefused: the cluster's owner, or a restriction of the platform, does not allow this
	// request; not executed.
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
	// CodePeerLost: nothing was heard of the peer for PeerTimeout; outcome unknown.
	CodePeerLost Code = 13
	// CodeLinkLost: the connection to the broker was down for OutageTimeout; outcome unknown.
	CodeLinkLost Code = 14
	// CodeNoInstance: no process is subscribed for the instance; not executed.
	CodeNoInstance Code = 15
	// CodeUnknownOutcome: the instance has forgotten the stream; outcome unknown.
	CodeUnknownOutcome Code = 16
	// CodeShutdown: the process that reset the stream is stopping; outcome unknown.
	CodeShutdown Code = 17
	// CodeBadRequest: the request cannot be sent as it is (a broken chunked
	// body, a malformed path).
	CodeBadRequest Code = 18
	// CodeUpstreamRefused: the API server closed its connection or refused the
	// request before it executed it, and the agent cannot send it again; not
	// executed.
	CodeUpstreamRefused Code = 19
	// CodeUnauthorized: the API server does not accept the agent's credential;
	// not executed.
	CodeUnauthorized Code = 20
	// CodeRevoked: the cluster's owner no longer allows the request, which was
	// running; outcome unknown.
	CodeRevoked Code = 21
)

// codes says what this version knows of each code: its name in logs, metrics
// and answers, and whether a request that ended with it certainly never
// reached the API server.
var codes = [...]struct {
	name        string
	notExecuted bool
}{
	CodeCanceled:        {name: "canceled"},
	CodeProtocol:        {name: "protocol-error"},
	CodeIncompatible:    {name: "incompatible", notExecuted: true},
	CodeInternal:        {name: "internal"},
	CodeOverloaded:      {name: "overloaded", notExecuted: true},
	CodeDraining:        {name: "draining", notExecuted: true},
	CodeRefused:         {name: "refused", notExecuted: true},
	CodeTooLarge:        {name: "too-large", notExecuted: true},
	CodeUnreachable:     {name: "api-server-unreachable", notExecuted: true},
	CodeUntrusted:       {name: "api-server-untrusted", notExecuted: true},
	CodeUpstream:        {name: "api-server-connection-lost"},
	CodeTimeout:         {name: "timeout"},
	CodePeerLost:        {name: "peer-lost"},
	CodeLinkLost:        {name: "link-lost"},
	CodeNoInstance:      {name: "no-instance", notExecuted: true},
	CodeUnknownOutcome:  {name: "outcome-unknown"},
	CodeShutdown:        {name: "shutdown"},
	CodeBadRequest:      {name: "bad-request"},
	CodeUpstreamRefused: {name: "api-server-refused", notExecuted: true},
	CodeUnauthorized:    {name: "agent-unauthorized", notExecuted: true},
	CodeRevoked:         {name: "revoked"},
}

// Codes returns every code of this version, in the order of their numbers.
func Codes() []Code {
	var all []Code
	for c := range codes {
		if codes[c].name != "" {
			all = append(all, Code(c))
		}
	}
	return all
}

func (c Code) name() string {
	if int(c) < len(codes) {
		return codes[c].name
	}
	return ""
}

// String returns the code's name, "code-99" and the like for a code that this
// version does not know.
func (c Code) String() string {
	if s := c.name(); s != "" {
		return s
	}
	return "code-" + strconv.Itoa(int(c))
}

// Label returns the code's name as the label of a metric: all codes that this
// version does not know share "other", since a peer chooses their numbers.
func (c Code) Label() string {
	if s := c.name(); s != "" {
		return s
	}
	return "other"
}

// NotExecuted reports whether a request that ended with c certainly never
// reached the API server, so that it may be sent again whatever its method. Of
// a code that this version does not know nothing is certain.
func (c Code) NotExecuted() bool { return int(c) < len(codes) && codes[c].notExecuted }

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
