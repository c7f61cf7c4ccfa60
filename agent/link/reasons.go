package link

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

// revoked is what a revocation is called, however the agent learns of it.
const revoked = "credential revoked"

// judge says why a connection with these credentials failed, or was lost. tried says
// what was tried. other is another machine's clock, nil if none was measured. The same cause gives the same words each time: they are logged once a minute
// and may be matched.
func (c *Creds) judge(err error, tried string, other *dial.Clock) *cause.Failure {
	if f := cause.Of(err); f != nil { // the step that failed has judged already
		return f
	}
	f := natslink.Failure(tried, err)
	switch {
	case errors.Is(err, errUnanswered):
		f.Hop, f.Cause, f.Got = cause.JWT, cause.ConnectionLost, errUnanswered.Error()
		f.Do = "If the broker is being stopped, nothing. Otherwise look for a firewall or proxy on the way that cuts connections."
	case errors.Is(err, errClosed), errors.Is(err, nats.ErrConnectionClosed):
		f.Cause, f.Got = cause.ConnectionLost, errClosed.Error()
	case errors.Is(err, nats.ErrAuthExpired):
		c.judgeExpired(f)
	case errors.Is(err, nats.ErrAuthorization):
		c.judgeRefusal(f, other)
	case errors.Is(err, nats.ErrPermissionViolation):
		f.Got = cause.Plain("the credentials lack a permission that an agent needs (signed with another role's key?): " + instance.ReplaceAllString(f.Got, "INSTANCE"))
	}
	if f.Hop == cause.JWT && other.Off() { // it may have a part in it, whatever the cause
		f.Got = other.String() + "; " + f.Got
	}
	return f
}

// instance is the name of an agent's instance in a subject, which is another at each
// attempt.
var instance = regexp.MustCompile(`\ba[a-z0-9]{16}\b`)

// errClosed is for a connection that the broker closes without a reason.
var errClosed = errors.New("closed by the broker")

// judgeExpired says why the broker says that the credentials have expired. If they have
// not by this machine's clock, one of the two clocks is wrong.
func (c *Creds) judgeExpired(f *cause.Failure) {
	now := time.Now()
	if gone := c.Expired(now); gone != nil {
		f.Got = gone.Error()
	} else if !c.Expires.IsZero() && c.Expires.Sub(now) > dial.SkewBound {
		f.Cause = cause.ClockSkew
		f.Got = fmt.Sprintf("the broker says that the credentials of cluster %s have expired, which they do on %s: its clock says so already, and this machine's does not", c.Cluster, timeText(c.Expires))
	}
}

// judgeRefusal explains the answer that a broker gives to all credentials that it does
// not accept, from what it has said before and from what the credentials themselves
// show. If they are out of their time by one of the two clocks only, one of these is
// wrong.
func (c *Creds) judgeRefusal(f *cause.Failure, other *dial.Clock) {
	now, there := time.Now(), time.Now()
	if other.Off() {
		there = other.Now()
	}
	id, here := c.outOfTime(now)
	_, elsewhere := c.outOfTime(there)
	switch {
	case c.revoked.Load():
		f.Cause, f.Got = cause.UserRevoked, revoked
	case here != "" && elsewhere == "":
		f.Cause, f.Got = cause.ClockSkew, here+", which is so by this machine's clock only"
	case here != "":
		f.Cause, f.Got = id, here
	case elsewhere != "":
		f.Cause, f.Got = cause.ClockSkew, elsewhere+", which is so by the other clock only"
	default:
		f.Cause = cause.WrongAccount
		f.Got = fmt.Sprintf("the broker refuses the credentials of cluster %s: revoked, of an unknown tenant, of another broker, or signed with a key that was removed; "+
			"they are of account %s and user %s", c.Cluster, c.Account, c.User)
	}
}

// outOfTime says how the credentials are out of their time at a time; "": they are not.
func (c *Creds) outOfTime(at time.Time) (id cause.ID, why string) {
	if gone := c.Expired(at); gone != nil {
		return cause.UserExpired, gone.Error()
	}
	if at.Before(c.NotBefore) {
		return cause.UserNotYetValid, fmt.Sprintf("credentials of cluster %s are valid from %s on", c.Cluster, timeText(c.NotBefore))
	}
	return "", ""
}

// unfit reports whether the credentials are good for a connection but not for an
// agent.
func unfit(err error) bool { return errors.Is(err, nats.ErrPermissionViolation) }
