package tunnel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// Explain turns an error of a request to a cluster into a failure. ctx governed
// the request; name is the cluster as the caller wrote it, "" if none is
// concerned, and conn its tenant's connection, nil if there is none.
func Explain(ctx context.Context, name string, conn *tenant.Conn, err error) *answer.Failure {
	return explain(ctx, name, conn, err).For(name)
}

func explain(ctx context.Context, name string, conn *tenant.Conn, err error) *answer.Failure {
	if ctx.Err() != nil {
		return explainEnd(ctx)
	}
	if f, ok := errors.AsType[*answer.Failure](err); ok {
		return f
	}
	if ue, ok := errors.AsType[*directory.UnavailableError](err); ok {
		return unavailable(name, conn, ue)
	}
	if re, ok := errors.AsType[*subjects.ResetError](err); ok {
		return answer.FromReset(name, re)
	}
	switch {
	case errors.Is(err, tenant.ErrUnknown):
		return answer.Failf(answer.UnknownCluster, "cluster %q: the tenant is not known to this bridge%s", name, otherTenant(name))
	case errors.Is(err, tenant.ErrReplaced):
		return answer.Failf(answer.BrokerDown, "cluster %q: %w; try again", name, err)
	case errors.Is(err, tenant.ErrClosed), errors.Is(err, stream.ErrClosed):
		return answer.Failf(answer.Stopping, "the bridge is shutting down")
	case errors.Is(err, subjects.ErrHeadTooLarge):
		return answer.Failf(answer.HeadTooLarge, "%w", err)
	case errors.Is(err, subjects.ErrHead):
		return answer.Failf(answer.BadRequest, "%w", err)
	}
	return answer.Failf(answer.InternalError, "%w", err)
}

// otherTenant says how a cluster is written whose tenant is not the default one, where
// somebody has left the tenant out.
func otherTenant(name string) string {
	if name == "" || strings.Contains(name, ".") {
		return ""
	}
	return fmt.Sprintf("; without one it is %q, and a cluster of another is written %s.TENANT", subjects.DefaultTenant, name)
}

// explainEnd says why a request ended whose context did.
func explainEnd(ctx context.Context) *answer.Failure {
	cause := context.Cause(ctx)
	if f := revocation(ctx); f != nil {
		return f.With(outcomeUnknown)
	}
	if f, ok := errors.AsType[*answer.Failure](cause); ok {
		return f
	}
	switch {
	case errors.Is(cause, ErrStopping):
		return answer.Failf(answer.OutcomeUnknown, "the bridge is shutting down; whether the request was executed is unknown")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return answer.Failf(answer.TimedOut, "no complete answer within the time that the caller gave; the outcome is unknown")
	}
	return answer.Failf(answer.ClientGone, "the caller went away")
}

// unavailable says why there is no instance for a cluster.
func unavailable(name string, conn *tenant.Conn, ue *directory.UnavailableError) *answer.Failure {
	var f *answer.Failure
	since := answer.Stamp(ue.Since)
	switch ue.State {
	case directory.Unknown:
		f = answer.Failf(answer.UnknownCluster, "cluster %q is not in the list of its tenant's clusters", name)
	case directory.NeverConnected:
		f = answer.Failf(answer.NeverConnected, "cluster %q has not connected %s: check its name, or whether its agent runs", name, sinceWhen(conn))
	case directory.Offline:
		f = answer.Failf(answer.Offline, "cluster %q is offline: its agent was last heard at %s, %s ago",
			name, since, time.Since(ue.Since).Round(time.Second))
	case directory.Reconnecting:
		f = answer.Failf(answer.Reconnecting, "cluster %q lost its connection and has not come back yet: its agent was last heard at %s", name, since)
	case directory.Draining:
		f = answer.Failf(answer.Draining, "every agent of cluster %q is shutting down, and no new one has connected yet", name)
	case directory.Incompatible:
		f = answer.Failf(answer.Incompatible, "no agent of cluster %q speaks a protocol version of this bridge (%d to %d): upgrade the older of the two",
			name, subjects.MinVersion, subjects.Version)
	case directory.Disconnected:
		f = answer.Failf(answer.BrokerDown, "the bridge has had no connection to the broker since %s", since)
		if conn != nil && conn.Refusal() != nil {
			f = answer.Failf(answer.BrokerDown, "the broker has refused this bridge for tenant %q since %s: %w", conn.Tenant(), since, conn.Refusal())
		}
	default:
		f = answer.Failf(answer.Overloaded, "every agent of cluster %q is overloaded", name)
	}
	f.Since = ue.Since
	return f
}

// sinceWhen says since when a cluster would have been heard.
func sinceWhen(conn *tenant.Conn) string {
	if time.Since(conn.Since()) > directory.DefaultForgetAfter {
		return "in the last " + directory.DefaultForgetAfter.String() // clusters heard before that are forgotten
	}
	return "since this bridge began to listen at " + answer.Stamp(conn.Since())
}
