package answer

import (
	"strconv"
	"strings"

	"github.com/fairlead-io/fairlead/subjects"
)

// resets says what a reset of the stream means for its request, with a row for each
// code of package subjects. {cluster} stands for the cluster's name. The detail that
// the agent sent is appended.
var resets = map[subjects.Code]struct {
	kind *Kind
	text string
}{
	subjects.CodeCanceled: {AgentError, "the agent of cluster {cluster} gave up on the request (canceled); the outcome is unknown"},
	subjects.CodeInternal: {AgentError, "the agent of cluster {cluster} gave up on the request (internal); the outcome is unknown"},
	subjects.CodeProtocol: {ProtocolError, "the agent of cluster {cluster} and this bridge do not understand each other"},
	subjects.CodeIncompatible: {Incompatible, "the agent of cluster {cluster} does not support what this request needs: " +
		"upgrade the older of agent and bridge; nothing was executed"},
	subjects.CodeOverloaded:      {Overloaded, "the agent of cluster {cluster} is at its limit of concurrent requests; this one was not executed"},
	subjects.CodeDraining:        {Draining, "the agent of cluster {cluster} is shutting down; the request was not executed"},
	subjects.CodeRefused:         {Refused, "the agent of cluster {cluster} does not allow this request"},
	subjects.CodeTooLarge:        {HeadTooLarge, "the request's header or trailer is over the agent's limit"},
	subjects.CodeUnreachable:     {Unreachable, "the agent of cluster {cluster} cannot connect to its API server"},
	subjects.CodeUntrusted:       {Untrusted, "the agent of cluster {cluster} does not trust its API server's certificate"},
	subjects.CodeUpstream:        {UpstreamLost, "the agent of cluster {cluster} lost the connection to its API server after the request was sent; the outcome is unknown"},
	subjects.CodeTimeout:         {TimedOut, "no answer in time; the outcome is unknown"},
	subjects.CodePeerLost:        {OutcomeUnknown, lostAgent},
	subjects.CodeUnknownOutcome:  {OutcomeUnknown, lostAgent},
	subjects.CodeShutdown:        {OutcomeUnknown, lostAgent},
	subjects.CodeLinkLost:        {OutcomeUnknown, "the bridge's connection to the broker was lost for too long; whether the request was executed is unknown"},
	subjects.CodeNoInstance:      {Reconnecting, "the agent of cluster {cluster} is gone; the request was not executed"},
	subjects.CodeBadRequest:      {BadRequest, "the request cannot be sent as it is"},
	subjects.CodeUpstreamRefused: {UpstreamRefused, "the API server of cluster {cluster} did not accept the request; it was not executed and can be sent again"},
	subjects.CodeUnauthorized: {AgentUnauthorized, "the API server of cluster {cluster} does not accept the credential of the cluster's agent; " +
		"this is not about your own credential: the cluster's owner must give the agent a valid one (service account or kubeconfig)"},
	subjects.CodeRevoked: {Refused, "the agent of cluster {cluster} no longer allows this request, which was running; the outcome is unknown"},
}

const lostAgent = "the agent of cluster {cluster} went away before it answered; whether the request was executed is unknown"

// FromReset returns the failure of a request to a cluster whose stream was reset. A
// code that this version does not know counts as an agent that gave up.
func FromReset(cluster string, re *subjects.ResetError) *Failure {
	row, ok := resets[re.Code]
	if !ok {
		row = resets[subjects.CodeInternal]
		row.text = strings.ReplaceAll(row.text, "internal", re.Code.String())
	}
	text := strings.ReplaceAll(row.text, "{cluster}", strconv.Quote(cluster))
	if re.Detail != "" {
		text += ": " + re.Detail
	}
	return &Failure{Kind: row.kind, Detail: text, err: re}
}
