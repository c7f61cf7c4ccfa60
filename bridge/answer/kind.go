package answer

import (
	"slices"
	"time"
)

// Kind is one row of the table of everything that the bridge itself answers: a
// code, and what it looks like over HTTP. It is never changed.
type Kind struct {
	// Code is in the body, in header Fairlead-Error, in logs and in metrics.
	Code   string
	Status int
	Reason string // of a Kubernetes Status
	Title  string // of a problem document
	// Lock is the lock that refused the request; "" if none did.
	Lock Lock
	// Retry is when to try again, 0: never. It is in the body; Retry-After has it
	// too, unless the state may last (Lasting). client-go and urllib3 wait and
	// repeat by themselves whenever they see that header, so that callers of a
	// cluster that is offline would wait for a minute to read that it is; and
	// they repeat a POST as well, so that no request whose outcome is unknown may
	// have it. It is never a date, which urllib3 compares with the client's clock.
	Retry   time.Duration
	Lasting bool
}

// Reasons that Kubernetes has no constant for are its style of an HTTP status.
const (
	reasonBadGateway  = "BadGateway"
	reasonUnavailable = "ServiceUnavailable"
)

var table []*Kind

// row adds a row to the table.
func row(k Kind) *Kind {
	table = append(table, &k)
	return &k
}

// Kinds returns the whole table.
func Kinds() []*Kind { return slices.Clone(table) }

// The table.
var (
	BadRequest = row(Kind{Code: "bad-request", Status: 400,
		Reason: "BadRequest", Title: "Bad request"})
	UpgradeMissing = row(Kind{Code: "upgrade-missing", Status: 400,
		Reason: "BadRequest", Title: "Upgrade missing"})
	BadClusterName = row(Kind{Code: "bad-cluster-name", Status: 400,
		Reason: "BadRequest", Title: "Bad cluster name"})
	Unauthenticated = row(Kind{Code: "unauthenticated", Status: 401,
		Reason: "Unauthorized", Title: "Not authenticated", Lock: LockAuthentication})
	Forbidden = row(Kind{Code: "forbidden", Status: 403,
		Reason: "Forbidden", Title: "Not granted", Lock: LockGrant})
	Impersonation = row(Kind{Code: "impersonation", Status: 403,
		Reason: "Forbidden", Title: "No impersonation", Lock: LockGrant})
	ApprovalRequired = row(Kind{Code: "approval-required", Status: 403,
		Reason: "Forbidden", Title: "Approval required", Lock: LockApproval})
	// Refused: by the owner's allow-list or by what the platform has set, which the agent's
	// words say. The wire has one code for both, since older bridges would take another one
	// for an outcome that is unknown.
	Refused = row(Kind{Code: "refused", Status: 403,
		Reason: "Forbidden", Title: "Refused by the cluster's agent", Lock: LockAllowList})
	NotFound = row(Kind{Code: "not-found", Status: 404,
		Reason: "NotFound", Title: "Not found"})
	UnknownCluster = row(Kind{Code: "unknown-cluster", Status: 404,
		Reason: "NotFound", Title: "Unknown cluster"})
	UnknownConnection = row(Kind{Code: "unknown-connection", Status: 404,
		Reason: "NotFound", Title: "Connection not known to this bridge"})
	SettingsNotSet = row(Kind{Code: "settings-not-set", Status: 404,
		Reason: "NotFound", Title: "No settings"})
	WrongMethod = row(Kind{Code: "method-not-allowed", Status: 405,
		Reason: "MethodNotAllowed", Title: "Method not allowed"})
	Conflict = row(Kind{Code: "conflict", Status: 409,
		Reason: "Conflict", Title: "Already decided"})
	NotQueued = row(Kind{Code: "operation-not-queued", Status: 409,
		Reason: "Conflict", Title: "Operation is not queued"})
	BodyTooLarge = row(Kind{Code: "body-too-large", Status: 413,
		Reason: "RequestEntityTooLarge", Title: "Body too large"})
	KeyReused = row(Kind{Code: "idempotency-key-reused", Status: 422,
		Reason: "Invalid", Title: "Idempotency key used for another request"})
	UnknownKind = row(Kind{Code: "unknown-kind", Status: 422,
		Reason: "Invalid", Title: "Kind not known to the cluster"})
	SettingsInvalid = row(Kind{Code: "settings-invalid", Status: 422,
		Reason: "Invalid", Title: "Settings cannot be used"})
	Overloaded = row(Kind{Code: "overloaded", Status: 429,
		Reason: "TooManyRequests", Title: "Agent overloaded", Retry: time.Second})
	// Nothing was executed, so that a client may repeat any request by itself.
	RateLimited = row(Kind{Code: "rate-limited", Status: 429,
		Reason: "TooManyRequests", Title: "Over a limit of the bridge", Lock: LockLimit, Retry: time.Second})
	QueueFull = row(Kind{Code: "queue-full", Status: 429,
		Reason: "TooManyRequests", Title: "Queue is full", Retry: time.Minute})
	HeadTooLarge = row(Kind{Code: "head-too-large", Status: 431,
		Reason: "RequestHeaderFieldsTooLarge", Title: "Request head too large"})
	ClientGone = row(Kind{Code: "client-gone", Status: 499, // no client is left to see it
		Reason: "Timeout", Title: "Client went away"})
	InternalError = row(Kind{Code: "internal-error", Status: 500,
		Reason: "InternalError", Title: "Internal error"})
	ProtocolError = row(Kind{Code: "protocol-error", Status: 502,
		Reason: reasonBadGateway, Title: "Agent broke the protocol"})
	AgentError = row(Kind{Code: "agent-error", Status: 502,
		Reason: reasonBadGateway, Title: "Agent failed"})
	Incompatible = row(Kind{Code: "incompatible", Status: 502,
		Reason: reasonBadGateway, Title: "Agent incompatible"})
	Unreachable = row(Kind{Code: "api-server-unreachable", Status: 502,
		Reason: reasonBadGateway, Title: "API server unreachable"})
	Untrusted = row(Kind{Code: "api-server-untrusted", Status: 502,
		Reason: reasonBadGateway, Title: "API server not trusted"})
	UpstreamLost = row(Kind{Code: "api-server-connection-lost", Status: 502,
		Reason: reasonBadGateway, Title: "Connection to the API server lost"})
	AgentUnauthorized = row(Kind{Code: "agent-unauthorized", Status: 502,
		Reason: reasonBadGateway, Title: "Agent's credential not accepted"})
	ResponseTooLarge = row(Kind{Code: "response-too-large", Status: 502,
		Reason: reasonBadGateway, Title: "Response too large"})
	NeverConnected = row(Kind{Code: "cluster-never-connected", Status: 503,
		Reason: reasonUnavailable, Title: "Cluster never connected", Retry: 30 * time.Second, Lasting: true})
	Offline = row(Kind{Code: "cluster-offline", Status: 503,
		Reason: reasonUnavailable, Title: "Cluster offline", Retry: 10 * time.Second, Lasting: true})
	Reconnecting = row(Kind{Code: "cluster-reconnecting", Status: 503,
		Reason: reasonUnavailable, Title: "Cluster reconnecting", Retry: time.Second})
	Draining = row(Kind{Code: "cluster-draining", Status: 503,
		Reason: reasonUnavailable, Title: "Agent is being replaced", Retry: time.Second})
	UpstreamRefused = row(Kind{Code: "api-server-refused", Status: 503,
		Reason: reasonUnavailable, Title: "API server did not accept the request", Retry: time.Second})
	BrokerDown = row(Kind{Code: "broker-unreachable", Status: 503,
		Reason: reasonUnavailable, Title: "Broker unreachable", Retry: 5 * time.Second, Lasting: true})
	IssuerUnreachable = row(Kind{Code: "issuer-unreachable", Status: 503,
		Reason: reasonUnavailable, Title: "Token issuer unreachable", Retry: 5 * time.Second, Lasting: true})
	AuditUnavailable = row(Kind{Code: "audit-unavailable", Status: 503,
		Reason: reasonUnavailable, Title: "Audit cannot be written", Retry: 5 * time.Second, Lasting: true})
	ReviewUnreachable = row(Kind{Code: "review-unreachable", Status: 503,
		Reason: reasonUnavailable, Title: "Review service unreachable", Retry: 5 * time.Second, Lasting: true})
	RecordingUnavailable = row(Kind{Code: "recording-unavailable", Status: 503,
		Reason: reasonUnavailable, Title: "Session cannot be recorded", Retry: 5 * time.Second, Lasting: true})
	ApprovalsUnavailable = row(Kind{Code: "approvals-unavailable", Status: 503,
		Reason: reasonUnavailable, Title: "Approvals cannot be read or changed", Retry: 5 * time.Second, Lasting: true})
	StoreUnavailable = row(Kind{Code: "store-unavailable", Status: 503,
		Reason: reasonUnavailable, Title: "Shared store cannot be used", Retry: 5 * time.Second, Lasting: true})
	Stopping = row(Kind{Code: "shutting-down", Status: 503,
		Reason: reasonUnavailable, Title: "Bridge is shutting down", Retry: time.Second})
	StoreFull = row(Kind{Code: "store-full", Status: 507,
		Reason: "InsufficientStorage", Title: "Shared store is full"})
	TimedOut = row(Kind{Code: "timeout", Status: 504,
		Reason: "Timeout", Title: "Timed out"})

	// The API server's answers, where the bridge makes a request as a part of its own.
	RBACRefused = row(Kind{Code: "rbac-refused", Status: 403,
		Reason: "Forbidden", Title: "Refused by Kubernetes RBAC", Lock: LockRBAC})
	ObjectNotFound = row(Kind{Code: "object-not-found", Status: 404,
		Reason: "NotFound", Title: "Object not found in the cluster"})
	WriteConflict = row(Kind{Code: "write-conflict", Status: 409,
		Reason: "Conflict", Title: "Others write the object", Retry: time.Second})
	PreconditionFailed = row(Kind{Code: "precondition-failed", Status: 412,
		Reason: "Conflict", Title: "Precondition failed"})
	APIServerRejected = row(Kind{Code: "api-server-rejected", Status: 422,
		Reason: "Invalid", Title: "API server rejected the object"})
	APIServerBusy = row(Kind{Code: "api-server-busy", Status: 429,
		Reason: "TooManyRequests", Title: "API server busy", Retry: time.Second})
	APIServerAnswer = row(Kind{Code: "api-server-answer", Status: 502,
		Reason: reasonBadGateway, Title: "API server failed"})

	SecretWrongType = row(Kind{Code: "secret-wrong-type", Status: 409,
		Reason: "Conflict", Title: "Secret of another type"})
	SecretImmutable = row(Kind{Code: "secret-immutable", Status: 409,
		Reason: "Conflict", Title: "Secret is immutable"})
	SecretMalformed = row(Kind{Code: "secret-malformed", Status: 409,
		Reason: "Conflict", Title: "Pull secret is malformed"})

	OutcomeUnknown = row(Kind{Code: "outcome-unknown", Status: 504,
		Reason: "Timeout", Title: "Outcome unknown"})
)
