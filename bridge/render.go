package bridge

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// failureHeader carries a failure's code, so that a client can tell an answer
// of the bridge from one of the API server. Theirs never pass.
const failureHeader = "Fairlead-Error"

// form is how a failure is written.
type form int

const (
	statusBody  form = iota // a Kubernetes Status, under /k8s
	problemBody             // an RFC 9457 problem document, elsewhere
)

// status is a Kubernetes metav1.Status, as far as the bridge needs one.
type status struct {
	Kind       string         `json:"kind"`
	APIVersion string         `json:"apiVersion"`
	Metadata   struct{}       `json:"metadata"`
	Status     string         `json:"status"`
	Message    string         `json:"message"`
	Reason     string         `json:"reason"`
	Details    *statusDetails `json:"details"`
	Code       int            `json:"code"`
}

type statusDetails struct {
	Name              string        `json:"name,omitempty"`
	Group             string        `json:"group,omitempty"`
	Kind              string        `json:"kind,omitempty"`
	UID               string        `json:"uid,omitempty"`
	Causes            []statusCause `json:"causes"`
	RetryAfterSeconds int           `json:"retryAfterSeconds,omitempty"`
}

type statusCause struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Field   string `json:"field,omitempty"`
}

// problem is an RFC 9457 problem document.
type problem struct {
	Type              string     `json:"type"`
	Title             string     `json:"title"`
	Status            int        `json:"status"`
	Detail            string     `json:"detail"`
	Code              string     `json:"code"`
	Cluster           string     `json:"cluster,omitempty"`
	Since             *time.Time `json:"since,omitempty"`
	RetryAfterSeconds int        `json:"retryAfterSeconds,omitempty"`
	RequestID         string     `json:"requestId"`
}

// fail answers a request whose response has not begun.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, rec *record, as form, f *failure) {
	rec.failure, rec.status = f, f.kind.status
	if f.kind == clientGone {
		rec.aborted = f // there is nobody to answer
		return
	}
	h := w.Header()
	h.Set(failureHeader, f.kind.code)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if f.kind == unauthenticated {
		h.Set("Www-Authenticate", "Bearer")
	}
	seconds := int(f.kind.retry / time.Second)
	if seconds > 0 && !f.kind.lasting {
		h.Set("Retry-After", strconv.Itoa(seconds))
	}
	var body any
	if as == statusBody {
		h.Set("Content-Type", "application/json")
		if isDiscovery(r) || f.kind == unauthenticated {
			h.Set("Warning", warning(f.detail))
		}
		body = f.status(rec.id, seconds)
	} else {
		h.Set("Content-Type", "application/problem+json")
		p := problem{
			Type: "urn:fairlead:error:" + f.kind.code, Title: f.kind.title, Status: f.kind.status,
			Detail: f.detail, Code: f.kind.code, Cluster: f.cluster, RetryAfterSeconds: seconds, RequestID: rec.id,
		}
		if !f.since.IsZero() {
			since := f.since.UTC()
			p.Since = &since
		}
		body = p
	}
	b, _ := json.Marshal(body) // strings and numbers only
	b = append(b, '\n')
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(f.kind.status)
	if r.Method == http.MethodHead {
		return
	}
	n, _ := w.Write(b)
	rec.sent = int64(n)
}

// isDiscovery reports whether a request is client-go's for the groups of a
// cluster, which is the first of a kubectl that has nothing cached. There it
// drops the body of a failure, as it does that of a 401 everywhere ("You must be
// logged in to the server"), but shows a warning.
func isDiscovery(r *http.Request) bool {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return strings.HasSuffix(path, "/api") || strings.HasSuffix(path, "/apis")
}

// warning writes text as a Warning header that Kubernetes clients understand.
func warning(text string) string {
	return `299 - "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

func (f *failure) status(requestID string, retrySeconds int) *status {
	d := &statusDetails{
		UID: requestID, RetryAfterSeconds: retrySeconds,
		Causes: []statusCause{{Reason: f.kind.code, Message: f.detail}},
	}
	if f.cluster != "" {
		d.Name, d.Group, d.Kind = f.cluster, "fairlead.io", "clusters"
	}
	if !f.since.IsZero() {
		d.Causes = append(d.Causes, statusCause{Reason: "since", Message: stamp(f.since), Field: "since"})
	}
	return &status{
		Kind: "Status", APIVersion: "v1", Status: "Failure", Message: f.detail,
		Reason: f.kind.reason, Details: d, Code: f.kind.status,
	}
}

func writeJSON(w http.ResponseWriter, rec *record, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // only our own types come here
		panic("bridge: encode answer: " + err.Error())
	}
	b = append(b, '\n')
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(code)
	rec.status = code
	n, _ := w.Write(b)
	rec.sent = int64(n)
}
