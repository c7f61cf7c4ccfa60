package bridge

import "time"

// kind is one row of the table of everything that the bridge itself answers:
// a code, and what it looks like over HTTP.
type kind struct {
	// code is in the body, in header Fairlead-Error, in logs and in metrics.
	code   string
	status int
	reason string // of a Kubernetes Status
	title  string // of a problem document
	// retry is when to try again, 0: never. It is in the body; Retry-After has it
	// too, unless the state may last (lasting). client-go and urllib3 wait and
	// repeat by themselves whenever they see that header, so that callers of a
	// cluster that is offline would wait for a minute to read that it is; and
	// they repeat a POST as well, so that no request whose outcome is unknown may
	// have it. It is never a date, which urllib3 compares with the client's clock.
	retry   time.Duration
	lasting bool
}

// Reasons that Kubernetes has no constant for are its style of an HTTP status.
const (
	reasonBadGateway  = "BadGateway"
	reasonUnavailable = "ServiceUnavailable"
)

// The table.
var (
	badRequest = &kind{code: "bad-request", status: 400,
		reason: "BadRequest", title: "Bad request"}
	badClusterName = &kind{code: "bad-cluster-name", status: 400,
		reason: "BadRequest", title: "Bad cluster name"}
	unauthenticated = &kind{code: "unauthenticated", status: 401,
		reason: "Unauthorized", title: "Not authenticated"}
	forbidden = &kind{code: "forbidden", status: 403,
		reason: "Forbidden", title: "No grant for the cluster"}
	impersonation = &kind{code: "impersonation", status: 403,
		reason: "Forbidden", title: "No impersonation"}
	refused = &kind{code: "refused", status: 403,
		reason: "Forbidden", title: "Refused by the cluster's owner"}
	notFound = &kind{code: "not-found", status: 404,
		reason: "NotFound", title: "Not found"}
	unknownCluster = &kind{code: "unknown-cluster", status: 404,
		reason: "NotFound", title: "Unknown cluster"}
	wrongMethod = &kind{code: "method-not-allowed", status: 405,
		reason: "MethodNotAllowed", title: "Method not allowed"}
	bodyTooLarge = &kind{code: "body-too-large", status: 413,
		reason: "RequestEntityTooLarge", title: "Body too large"}
	overloaded = &kind{code: "overloaded", status: 429,
		reason: "TooManyRequests", title: "Agent overloaded", retry: time.Second}
	headTooLarge = &kind{code: "head-too-large", status: 431,
		reason: "RequestHeaderFieldsTooLarge", title: "Request head too large"}
	clientGone = &kind{code: "client-gone", status: 499, // nobody is there to see it
		reason: "Timeout", title: "Client went away"}
	internalError = &kind{code: "internal-error", status: 500,
		reason: "InternalError", title: "Internal error"}
	protocolError = &kind{code: "protocol-error", status: 502,
		reason: reasonBadGateway, title: "Agent broke the protocol"}
	agentError = &kind{code: "agent-error", status: 502,
		reason: reasonBadGateway, title: "Agent failed"}
	incompatible = &kind{code: "incompatible", status: 502,
		reason: reasonBadGateway, title: "Agent incompatible"}
	unreachable = &kind{code: "api-server-unreachable", status: 502,
		reason: reasonBadGateway, title: "API server unreachable"}
	untrusted = &kind{code: "api-server-untrusted", status: 502,
		reason: reasonBadGateway, title: "API server not trusted"}
	upstreamLost = &kind{code: "api-server-connection-lost", status: 502,
		reason: reasonBadGateway, title: "Connection to the API server lost"}
	agentUnauthorized = &kind{code: "agent-unauthorized", status: 502,
		reason: reasonBadGateway, title: "Agent's credential not accepted"}
	responseTooLarge = &kind{code: "response-too-large", status: 502,
		reason: reasonBadGateway, title: "Response too large"}
	neverConnected = &kind{code: "cluster-never-connected", status: 503,
		reason: reasonUnavailable, title: "Cluster never connected", retry: 30 * time.Second, lasting: true}
	offline = &kind{code: "cluster-offline", status: 503,
		reason: reasonUnavailable, title: "Cluster offline", retry: 10 * time.Second, lasting: true}
	reconnecting = &kind{code: "cluster-reconnecting", status: 503,
		reason: reasonUnavailable, title: "Cluster reconnecting", retry: time.Second}
	draining = &kind{code: "cluster-draining", status: 503,
		reason: reasonUnavailable, title: "Agent is being replaced", retry: time.Second}
	upstreamRefused = &kind{code: "api-server-refused", status: 503,
		reason: reasonUnavailable, title: "API server did not take the request", retry: time.Second}
	brokerDown = &kind{code: "broker-unreachable", status: 503,
		reason: reasonUnavailable, title: "Broker unreachable", retry: 5 * time.Second, lasting: true}
	stopping = &kind{code: "shutting-down", status: 503,
		reason: reasonUnavailable, title: "Bridge is shutting down", retry: time.Second}
	timedOut = &kind{code: "timeout", status: 504,
		reason: "Timeout", title: "Timed out"}
	outcomeUnknown = &kind{code: "outcome-unknown", status: 504,
		reason: "Timeout", title: "Outcome unknown"}
)
