package natslink

import (
	"errors"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

// verdicts are what a broker says, or nats.go of it, and what that means.
var verdicts = []struct {
	err error
	hop cause.Hop
	id  cause.ID
	got string
}{
	{nats.ErrAuthExpired, cause.JWT, cause.UserExpired, "the broker says that the credentials have expired"},
	{nats.ErrAuthRevoked, cause.JWT, cause.UserRevoked, "credential revoked"},
	{nats.ErrAccountAuthExpired, cause.JWT, cause.AccountExpired, "the broker says that the account of the credentials has expired"},
	{nats.ErrMaxAccountConnectionsExceeded, cause.JWT, cause.AccountFull, "the tenant's account is at its limit of connections, or disabled"},
	{nats.ErrAuthorization, cause.JWT, cause.WrongAccount, "the broker refuses the credentials"},
	{errLoginTimeout, cause.JWT, cause.Timeout, "the broker did not get the credentials in the time that it gives a login: the path to it, this machine or the broker is too slow"},
	{nats.ErrMaxConnectionsExceeded, cause.NATS, cause.BrokerFull, "the broker is at its limit of connections"},
	{nats.ErrConnectionClosed, cause.NATS, cause.ConnectionLost, "the broker has closed the connection"},
	{nats.ErrSecureConnWanted, cause.TLS, cause.NotTLS, "the NATS server there has TLS switched off"},
	{nats.ErrNoInfoReceived, cause.NATS, cause.NotNATS, "the server there does not speak NATS"},
	{nats.ErrBadHeaderMsg, cause.NATS, cause.ProtocolMismatch, ""},
	{nats.ErrHeadersNotSupported, cause.NATS, cause.ProtocolMismatch, ""},
	// The third of the pings is due, and none was answered.
	{nats.ErrStaleConnection, cause.NATS, cause.WentSilent, "the broker has not answered for 15 s: the path to it went silent"},
}

// errLoginTimeout is an answer of nats-server that nats.go has no variable for. nats.go
// compares the text of an answer.
var errLoginTimeout = errors.New("nats: authentication timeout")

// unexpectedAnswer begins nats.go's error, which has no type, for a line that answers no
// login.
const unexpectedAnswer = "nats: expected 'PONG', got "

// Failure says why a connection to a broker failed, or was lost. tried says what was
// tried; err is not nil. The failure wraps err.
func Failure(tried string, err error) *cause.Failure {
	if f := cause.Of(err); f != nil {
		return f
	}
	if errors.Is(err, nats.ErrPermissionViolation) { // it names the subject
		return &cause.Failure{Hop: cause.Permission, Cause: cause.PermissionMissing, Tried: tried, Got: classify.Text(err), Err: err}
	}
	for _, v := range verdicts {
		if !errors.Is(err, v.err) {
			continue
		}
		f := &cause.Failure{Hop: v.hop, Cause: v.id, Tried: tried, Got: v.got, Err: err}
		if f.Got == "" {
			f.Got = classify.Text(err)
		}
		return f
	}
	f := classify.Error(cause.NATS, tried, err)
	if _, line, ok := strings.Cut(err.Error(), unexpectedAnswer); ok && f.Cause == cause.Unknown {
		f.Cause, f.Got = cause.ProtocolMismatch, "the server there answers the login with "+cause.Said([]byte(strings.Trim(line, "'")))
	}
	return f
}
