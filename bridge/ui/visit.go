package ui

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// visit is one request of a browser. It is for one goroutine.
type visit struct {
	*Service
	w    http.ResponseWriter
	r    *http.Request // with the session's token in place of its cookies
	rec  *answer.Record
	root string // the relative URL of /ui/
	name string // of the cluster whose page it is; "": none

	session session
}

func (s *Service) visit(w http.ResponseWriter, r *http.Request, rec *answer.Record) *visit {
	v := &visit{Service: s, w: w, rec: rec, root: "./"}
	v.session, v.r = openSession(r)
	return v
}

// redirect sends the browser to a relative URL: proxies may have the bridge below a path
// that it does not know of.
func (v *visit) redirect(status int, to string) {
	v.w.Header().Set("Location", to)
	v.w.Header().Set("Cache-Control", "no-store")
	v.rec.Status = status
	v.w.WriteHeader(status)
}

// fail answers with a page that shows a failure, or with the form to log in where that may
// help.
func (v *visit) fail(f *answer.Failure) {
	v.rec.Failure = f
	switch f.Kind {
	case answer.ClientGone:
		v.rec.Aborted, v.rec.Status = f, f.Kind.Status
	case answer.Unauthenticated:
		v.loginPage(f)
	default:
		v.w.Header().Set(answer.Header, f.Kind.Code)
		if f.Kind.Retry > 0 && !f.Kind.Lasting {
			v.w.Header().Set("Retry-After", strconv.Itoa(int(f.Kind.Retry.Seconds())))
		}
		v.render(f.Kind.Status, failureTemplate, f.Kind.Title, f)
	}
}

// ask asks the platform API as the visitor, and decodes its answer into out.
func (v *visit) ask(path string, query url.Values, out any) *answer.Failure {
	to := v.to(path, query)
	to.Method = http.MethodGet
	got := &captured{header: http.Header{}}
	v.pass(got, to, path)
	if v.rec.Failure != nil {
		return v.rec.Failure
	}
	if err := json.Unmarshal(got.body, out); err != nil {
		return answer.Failf(answer.InternalError, "%s answered %d with what is not its type: %w", path, got.status, err)
	}
	return nil
}

// to is the visitor's request to another path of the bridge.
func (v *visit) to(path string, query url.Values) *http.Request {
	to := v.r.WithContext(v.r.Context())
	to.URL = &url.URL{Path: path, RawQuery: query.Encode()}
	to.RequestURI = to.URL.RequestURI()
	to.Body, to.ContentLength = http.NoBody, 0
	return to
}

// pass lets the platform API answer. What it notes of the request stays, but for the route.
func (v *visit) pass(w http.ResponseWriter, to *http.Request, path string) {
	route := v.rec.Route
	v.cfg.API(w, to, v.rec, path)
	v.rec.Route = route
}

// captured is an answer of the platform API, in memory: JSON that it has in memory too.
type captured struct {
	header http.Header
	status int
	body   []byte
}

func (c *captured) Header() http.Header { return c.header }

func (c *captured) WriteHeader(status int) { c.status = status }

func (c *captured) Write(b []byte) (int, error) {
	c.body = append(c.body, b...)
	return len(b), nil
}
