package ui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/events"
)

// Prefix is the path below which the pages are served.
const Prefix = "/ui"

// Config configures a [Service].
type Config struct {
	Door *access.Door
	// API serves a request of the platform API; path is that of the request.
	API func(w http.ResponseWriter, r *http.Request, rec *answer.Record, path string)
	// Events is the log of what happened to clusters.
	Events events.Log
	// PublicURL is where browsers reach the bridge, if that is known.
	PublicURL string
}

// Service serves the pages. It is safe for concurrent use.
type Service struct {
	cfg    Config
	base   string // the path of the public URL
	origin *http.CrossOriginProtection
}

// New returns a service. The public URL must be one that package bridge takes.
func New(cfg Config) *Service {
	s := &Service{cfg: cfg, origin: http.NewCrossOriginProtection()}
	if u, err := url.Parse(cfg.PublicURL); err == nil && u.Host != "" {
		// Proxies may change the host that the bridge sees, and with it the only thing to
		// compare an old browser's Origin with. An error is one of a URL that is no origin.
		_ = s.origin.AddTrustedOrigin(u.Scheme + "://" + strings.ToLower(u.Host))
		s.base = strings.TrimRight(u.EscapedPath(), "/")
	}
	return s
}

// Concerns reports whether a path is one of the pages'.
func Concerns(path string) bool { return path == Prefix || strings.HasPrefix(path, Prefix+"/") }

// Visited reports whether somebody opens the bridge's own address in a browser. Programs, which
// do not ask for HTML, are told what is served where.
func Visited(r *http.Request, path string) bool {
	return path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// Serve answers a request for a path that concerns the pages, or of a visitor, as it was sent,
// without what the public URL has before it.
func (s *Service) Serve(w http.ResponseWriter, r *http.Request, rec *answer.Record, path string) {
	v := s.visit(w, r, rec)
	if path == "/" {
		rec.Route = "/"
		v.redirect(http.StatusSeeOther, strings.TrimPrefix(Prefix, "/")+"/")
		return
	}
	place := strings.TrimPrefix(path, Prefix)
	switch place {
	case "":
		rec.Route = Prefix
		v.redirect(http.StatusPermanentRedirect, "ui/")
	case "/":
		v.route(Prefix+"/", http.MethodGet, v.list)
	case "/login":
		v.route(Prefix+"/login", http.MethodPost, v.login)
	case "/logout":
		v.route(Prefix+"/logout", http.MethodPost, v.logout)
	case "/events":
		v.route(Prefix+"/events", http.MethodGet, v.events)
	default:
		if name, ok := strings.CutPrefix(place, "/clusters/"); ok && name != "" && !strings.Contains(name, "/") {
			v.root, v.name = "../", clusterOf(name)
			v.route(Prefix+"/clusters/{cluster}", http.MethodGet, func() { v.cluster(name) })
			return
		}
		if a := assets[strings.TrimPrefix(place, "/")]; a != nil {
			v.route(Prefix+place, http.MethodGet, func() { v.asset(a) })
			return
		}
		v.root = strings.Repeat("../", max(strings.Count(place, "/")-1, 0)) + "./"
		v.fail(answer.Failf(answer.NotFound, "nothing is served at %s", answer.Clip(path)))
	}
}

// route serves a request with serve if it has the method of the route. HEAD is as GET.
func (v *visit) route(route, method string, serve func()) {
	v.rec.Route = route
	switch {
	case v.r.Method == method, v.r.Method == http.MethodHead && method == http.MethodGet:
		serve()
	case method == http.MethodPost && (v.r.Method == http.MethodGet || v.r.Method == http.MethodHead):
		v.redirect(http.StatusSeeOther, "./") // somebody has typed the address of a form
	default:
		v.w.Header().Set("Allow", method)
		v.fail(answer.Failf(answer.WrongMethod, "%s is not allowed here", answer.Clip(v.r.Method)))
	}
}
