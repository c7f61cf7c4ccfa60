package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
)

// Type is the code of a problem document, which is the end of its type. It matches an
// [*Error] by [errors.Is]:
//
//	if errors.Is(err, client.ErrClusterOffline) { ... }
type Type string

// Error makes a type a target of [errors.Is].
func (t Type) Error() string { return string(t) }

// The types of all failures. docs/errors.md says what each means.
const (
	ErrBadRequest              Type = "bad-request"                // 400
	ErrUpgradeMissing          Type = "upgrade-missing"            // 400
	ErrBadClusterName          Type = "bad-cluster-name"           // 400
	ErrUnauthenticated         Type = "unauthenticated"            // 401
	ErrForbidden               Type = "forbidden"                  // 403
	ErrImpersonation           Type = "impersonation"              // 403
	ErrApprovalRequired        Type = "approval-required"          // 403
	ErrRefused                 Type = "refused"                    // 403
	ErrRBACRefused             Type = "rbac-refused"               // 403
	ErrNotFound                Type = "not-found"                  // 404
	ErrUnknownCluster          Type = "unknown-cluster"            // 404
	ErrUnknownConnection       Type = "unknown-connection"         // 404
	ErrObjectNotFound          Type = "object-not-found"           // 404
	ErrSettingsNotSet          Type = "settings-not-set"           // 404
	ErrMethodNotAllowed        Type = "method-not-allowed"         // 405
	ErrConflict                Type = "conflict"                   // 409
	ErrWriteConflict           Type = "write-conflict"             // 409
	ErrSecretWrongType         Type = "secret-wrong-type"          // 409
	ErrSecretImmutable         Type = "secret-immutable"           // 409
	ErrSecretMalformed         Type = "secret-malformed"           // 409
	ErrPreconditionFailed      Type = "precondition-failed"        // 412
	ErrOperationNotQueued      Type = "operation-not-queued"       // 409
	ErrBodyTooLarge            Type = "body-too-large"             // 413
	ErrAPIServerRejected       Type = "api-server-rejected"        // 422
	ErrIdempotencyKeyReused    Type = "idempotency-key-reused"     // 422
	ErrUnknownKind             Type = "unknown-kind"               // 422, of one object of an apply
	ErrSettingsInvalid         Type = "settings-invalid"           // 422
	ErrOverloaded              Type = "overloaded"                 // 429
	ErrRateLimited             Type = "rate-limited"               // 429
	ErrAPIServerBusy           Type = "api-server-busy"            // 429
	ErrQueueFull               Type = "queue-full"                 // 429
	ErrHeadTooLarge            Type = "head-too-large"             // 431
	ErrInternalError           Type = "internal-error"             // 500
	ErrProtocolError           Type = "protocol-error"             // 502
	ErrAgentError              Type = "agent-error"                // 502
	ErrIncompatible            Type = "incompatible"               // 502
	ErrAPIServerAnswer         Type = "api-server-answer"          // 502
	ErrAPIServerUnreachable    Type = "api-server-unreachable"     // 502
	ErrAPIServerUntrusted      Type = "api-server-untrusted"       // 502
	ErrAPIServerConnectionLost Type = "api-server-connection-lost" // 502
	ErrAgentUnauthorized       Type = "agent-unauthorized"         // 502
	ErrResponseTooLarge        Type = "response-too-large"         // 502
	ErrClusterNeverConnected   Type = "cluster-never-connected"    // 503
	ErrClusterOffline          Type = "cluster-offline"            // 503
	ErrClusterReconnecting     Type = "cluster-reconnecting"       // 503
	ErrClusterDraining         Type = "cluster-draining"           // 503
	ErrAPIServerRefused        Type = "api-server-refused"         // 503
	ErrBrokerUnreachable       Type = "broker-unreachable"         // 503
	ErrIssuerUnreachable       Type = "issuer-unreachable"         // 503
	ErrAuditUnavailable        Type = "audit-unavailable"          // 503
	ErrReviewUnreachable       Type = "review-unreachable"         // 503
	ErrRecordingUnavailable    Type = "recording-unavailable"      // 503
	ErrApprovalsUnavailable    Type = "approvals-unavailable"      // 503
	ErrStoreUnavailable        Type = "store-unavailable"          // 503
	ErrShuttingDown            Type = "shutting-down"              // 503
	ErrTimeout                 Type = "timeout"                    // 504
	ErrOutcomeUnknown          Type = "outcome-unknown"            // 504
	ErrStoreFull               Type = "store-full"                 // 507
)

// Error is a failure that was answered, by the bridge or by a proxy in front of it.
type Error struct {
	Method, Path string // of the request
	// Problem is the bridge's problem document. Of a proxy it has a status, and the
	// beginning of what it said as its detail.
	Problem api.Problem
}

// Error says what failed in one line, with the id of the request for logs.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d", e.Method, e.Path, e.Problem.Status)
	if e.Problem.Code != "" {
		fmt.Fprintf(&b, " %s", e.Problem.Code)
	}
	if e.Problem.Detail != "" {
		fmt.Fprintf(&b, ": %s", e.Problem.Detail)
	}
	if e.Problem.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.Problem.RequestID)
	}
	return b.String()
}

// Is reports whether target is the [Type] of the problem.
func (e *Error) Is(target error) bool {
	t, ok := target.(Type)
	return ok && e.Problem.Code == string(t)
}

// IsType reports whether err is an [*Error] of a type, such as "cluster-offline".
func IsType(err error, code string) bool { return errors.Is(err, Type(code)) }

// failure reads a response that is not one of success, and closes it.
func failure(r *exchange.Request, res *http.Response) error {
	return refusal(r.Method, r.Target(), res)
}

// ResponseError makes an error of a response of the bridge that is not one of success, and
// closes its body. It is for programs that send requests by [Client.Authorize].
func ResponseError(res *http.Response) error {
	return refusal(res.Request.Method, res.Request.URL.Path, res)
}

func refusal(method, path string, res *http.Response) error {
	defer res.Body.Close()
	const most = 1 << 20
	text, _ := io.ReadAll(io.LimitReader(res.Body, most))
	e := &Error{Method: method, Path: path}
	mediaType, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if mediaType != "application/problem+json" || json.Unmarshal(text, &e.Problem) != nil {
		const clip = 256
		detail := strings.ToValidUTF8(strings.TrimSpace(string(text[:min(len(text), clip)])), "")
		e.Problem = api.Problem{Title: http.StatusText(res.StatusCode), Detail: detail, RequestID: res.Header.Get("X-Request-Id")}
	}
	e.Problem.Status = res.StatusCode
	return e
}

// judge says of a refusal whether another attempt will have the same, and how long the
// bridge asks to wait for it.
func judge(err error) (final bool, wait time.Duration) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false, 0
	}
	p := &e.Problem
	return p.Status < 500 && p.Status != http.StatusTooManyRequests, exchange.Asked(p.RetryAfterSeconds)
}
