package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// failure is why the bridge answers a request itself.
type failure struct {
	kind    *kind
	detail  string    // one sentence for people
	cluster string    // as the caller wrote it, "" where none is concerned
	since   time.Time // since when the cluster is not connected, if ever
}

func failf(k *kind, format string, args ...any) *failure {
	return &failure{kind: k, detail: fmt.Sprintf(format, args...)}
}

// explain turns an error of an exchange with a cluster into a failure.
func explain(ctx context.Context, cluster string, conn *tenant.Conn, err error) *failure {
	f := explainError(ctx, cluster, conn, err)
	f.cluster = cluster
	return f
}

func explainError(ctx context.Context, cluster string, conn *tenant.Conn, err error) *failure {
	if ctx.Err() != nil {
		if f, ok := errors.AsType[*failure](context.Cause(ctx)); ok {
			return f
		}
		switch {
		case errors.Is(context.Cause(ctx), errStopping):
			return failf(outcomeUnknown, "the bridge is shutting down; whether the request was executed is unknown")
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return failf(timedOut, "no complete answer within the time that the caller gave; the outcome is unknown")
		}
		return failf(clientGone, "the caller went away")
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if ue, ok := errors.AsType[*directory.UnavailableError](err); ok {
		return unavailable(cluster, conn, ue)
	}
	if re, ok := errors.AsType[*subjects.ResetError](err); ok {
		return explainReset(cluster, re)
	}
	switch {
	case errors.Is(err, tenant.ErrUnknown):
		return failf(unknownCluster, "cluster %q: the tenant is not known to this bridge", cluster)
	case errors.Is(err, tenant.ErrReplaced):
		return failf(brokerDown, "cluster %q: %v; try again", cluster, err)
	case errors.Is(err, tenant.ErrClosed), errors.Is(err, stream.ErrClosed):
		return failf(stopping, "the bridge is shutting down")
	case errors.Is(err, subjects.ErrHeadTooLarge):
		return failf(headTooLarge, "%v", err)
	case errors.Is(err, subjects.ErrHead):
		return failf(badRequest, "%v", err)
	}
	return failf(internalError, "%v", err)
}

// Error lets a failure travel as an error.
func (f *failure) Error() string { return f.kind.code + ": " + f.detail }

// unavailable says why there is no instance for a cluster. conn is nil where
// its tenant could not be connected.
func unavailable(cluster string, conn *tenant.Conn, ue *directory.UnavailableError) *failure {
	var f *failure
	switch ue.State {
	case directory.Unknown:
		f = failf(unknownCluster, "cluster %q is not in the list of its tenant's clusters", cluster)
	case directory.NeverConnected:
		since := "since this bridge began to listen at " + stamp(conn.Since())
		if time.Since(conn.Since()) > directory.DefaultForgetAfter {
			since = "in the last " + directory.DefaultForgetAfter.String() // what was before is forgotten
		}
		f = failf(neverConnected, "cluster %q has not connected %s: check its name, or whether its agent runs", cluster, since)
	case directory.Offline:
		f = failf(offline, "cluster %q is offline: its agent was last heard at %s, %s ago",
			cluster, stamp(ue.Since), time.Since(ue.Since).Round(time.Second))
	case directory.Reconnecting:
		f = failf(reconnecting, "cluster %q lost its connection and has not come back yet: its agent was last heard at %s", cluster, stamp(ue.Since))
	case directory.Draining:
		f = failf(draining, "every agent of cluster %q is being shut down, and no new one has connected yet", cluster)
	case directory.Incompatible:
		f = failf(incompatible, "no agent of cluster %q speaks a protocol version of this bridge (%d to %d): upgrade the older of the two",
			cluster, subjects.MinVersion, subjects.Version)
	case directory.Disconnected:
		if conn != nil && conn.Refusal() != nil {
			f = failf(brokerDown, "the broker refuses this bridge for tenant %q since %s: %v",
				conn.Tenant(), stamp(ue.Since), conn.Refusal())
			break
		}
		f = failf(brokerDown, "the bridge has no connection to the broker since %s", stamp(ue.Since))
	default:
		f = failf(overloaded, "every agent of cluster %q is overloaded", cluster)
	}
	f.since = ue.Since
	return f
}

// explainReset says what the end of a stream means for the request on it.
func explainReset(cluster string, re *subjects.ResetError) *failure {
	detail := ""
	if re.Detail != "" {
		detail = ": " + re.Detail
	}
	switch re.Code {
	case subjects.CodeOverloaded:
		return failf(overloaded, "the agent of cluster %q has as many requests as it takes; this one was not executed%s", cluster, detail)
	case subjects.CodeDraining:
		return failf(draining, "the agent of cluster %q is shutting down; the request was not executed%s", cluster, detail)
	case subjects.CodeNoInstance:
		return failf(reconnecting, "the agent of cluster %q is gone; the request was not executed%s", cluster, detail)
	case subjects.CodeRefused:
		return failf(refused, "the owner of cluster %q does not allow this request%s", cluster, detail)
	case subjects.CodeTooLarge:
		return failf(headTooLarge, "the request's header or trailer is over the agent's limit%s", detail)
	case subjects.CodeBadRequest:
		return failf(badRequest, "the request cannot be sent as it is%s", detail)
	case subjects.CodeIncompatible:
		return failf(incompatible, "the agent of cluster %q does not support what this request needs: upgrade the older of agent and bridge; nothing was executed%s", cluster, detail)
	case subjects.CodeUnreachable:
		return failf(unreachable, "the agent of cluster %q cannot connect to its API server%s", cluster, detail)
	case subjects.CodeUntrusted:
		return failf(untrusted, "the agent of cluster %q does not trust its API server's certificate%s", cluster, detail)
	case subjects.CodeUpstream:
		return failf(upstreamLost, "the agent of cluster %q lost the connection to its API server after the request was sent; the outcome is unknown%s", cluster, detail)
	case subjects.CodeUpstreamRefused:
		return failf(upstreamRefused, "the API server of cluster %q did not take the request; it was not executed and can be sent again%s", cluster, detail)
	case subjects.CodeUnauthorized:
		return failf(agentUnauthorized, "the API server of cluster %q does not accept the credential of the cluster's agent; "+
			"this is not about your own credential: the cluster's owner must give the agent a valid one (service account or kubeconfig)%s", cluster, detail)
	case subjects.CodeTimeout:
		return failf(timedOut, "no answer in time; the outcome is unknown%s", detail)
	case subjects.CodePeerLost, subjects.CodeUnknownOutcome, subjects.CodeShutdown:
		return failf(outcomeUnknown, "the agent of cluster %q went away before it answered; whether the request was executed is unknown%s", cluster, detail)
	case subjects.CodeLinkLost:
		return failf(outcomeUnknown, "the bridge's connection to the broker was lost for too long; whether the request was executed is unknown%s", detail)
	case subjects.CodeProtocol:
		return failf(protocolError, "the agent of cluster %q and this bridge do not understand each other%s", cluster, detail)
	}
	return failf(agentError, "the agent of cluster %q gave the request up (%s); the outcome is unknown%s", cluster, re.Code, detail)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
