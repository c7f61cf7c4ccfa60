package answer

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// Header carries a failure's code, so that a client can tell an answer of the
// bridge from one of the API server. A cluster's own never passes.
const Header = "Fairlead-Error"

// Form is how a failure is written.
type Form int

// The forms.
const (
	StatusBody  Form = iota // a Kubernetes Status, under /k8s
	ProblemBody             // an RFC 9457 problem document, elsewhere
)

// Fail answers a request whose response has not begun, and notes it in rec.
func Fail(w http.ResponseWriter, r *http.Request, rec *Record, as Form, f *Failure) {
	rec.Failure, rec.Status = f, f.Kind.Status
	if f.Kind == ClientGone {
		rec.Aborted = f // no client is left to answer
		return
	}
	h := w.Header()
	h.Set(Header, f.Kind.Code)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if f.Kind == Unauthenticated {
		h.Set("Www-Authenticate", "Bearer")
	}
	if f.Quota != nil {
		f.Quota.write(h, time.Now())
	}
	seconds := f.retrySeconds()
	if seconds > 0 && !f.Kind.Lasting && !f.Partly {
		h.Set("Retry-After", strconv.Itoa(seconds))
	}
	var body any
	if as == StatusBody {
		h.Set("Content-Type", "application/json")
		if isDiscovery(r) || f.Kind == Unauthenticated || f.Kind == NotFound {
			h.Set("Warning", warning(f.Detail))
		}
		body = f.AsStatus(rec.ID)
	} else {
		h.Set("Content-Type", "application/problem+json")
		body = f.Problem(rec.ID)
	}
	write(w, r, rec, f.Kind.Status, body)
}

// JSON answers a request with v, which must be of a type that can be encoded.
func JSON(w http.ResponseWriter, r *http.Request, rec *Record, code int, v any) {
	jsonHeader(w.Header())
	rec.Status = code
	write(w, r, rec, code, v)
}

func jsonHeader(h http.Header) {
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

func write(w http.ResponseWriter, r *http.Request, rec *Record, code int, v any) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)              // it may be six times as large
	if err := e.Encode(v); err != nil { // only our own types come here
		panic("bridge: encode answer: " + err.Error())
	}
	b := body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(code)
	if r.Method == http.MethodHead {
		return
	}
	n, _ := w.Write(b) // it fails only if the client hung up
	rec.Sent = int64(n)
}

// isDiscovery reports whether a request asks for the API groups of a cluster, as
// client-go does first if it has nothing cached. kubectl does not show the body of a
// failure then, nor of any 401 ("You must be logged in to the server"), nor of a 404
// to a request other than for resources. It does show a warning.
func isDiscovery(r *http.Request) bool {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return strings.HasSuffix(path, "/api") || strings.HasSuffix(path, "/apis")
}

// warning writes text as a Warning header that Kubernetes clients understand.
func warning(text string) string {
	return `299 - "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

func (f *Failure) retrySeconds() int {
	if f.Quota != nil {
		return f.Quota.seconds()
	}
	return int(f.Kind.Retry / time.Second)
}

// Problem returns the failure as a problem document; requestID is that of the request
// that failed, unless the failure knows it.
func (f *Failure) Problem(requestID string) *api.Problem {
	p := &api.Problem{
		Type: "urn:fairlead:error:" + f.Kind.Code, Title: f.Kind.Title, Status: f.Kind.Status,
		Detail: f.Detail, Code: f.Kind.Code, Cluster: f.Cluster, RetryAfterSeconds: f.retrySeconds(), RequestID: requestID,
		Lock: string(f.Kind.Lock),
	}
	if f.Request != "" {
		p.RequestID = f.Request
	}
	if l := f.TimeLimit; l != nil {
		p.TimeLimit = &api.TimeLimit{Of: l.Of, After: l.After.String()}
	}
	if !f.Since.IsZero() {
		since := f.Since.UTC()
		p.Since = &since
	}
	return p
}
