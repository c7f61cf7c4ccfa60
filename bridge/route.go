package bridge

import (
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/platform"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
	"github.com/fairlead-io/fairlead/bridge/ui"
)

// The routes of requests that go on to a cluster; those of the platform are in its
// table.
const (
	clusterRoute = platform.ClustersPrefix + "{cluster}/{path}"
	hostRoute    = "/{path}" // of a cluster's own host
)

// sandboxed makes browsers show what a cluster serves below the platform's origin in an
// origin of its own, without scripts, forms and pop-ups. A cluster's own policies are
// added to it and can only forbid more.
var sandboxed = []string{"sandbox"}

// ownOrigin keeps a page of a cluster's host from joining the pages of the domain above
// (document.domain), and asks browsers for a process of its own.
var ownOrigin = []string{"?1"}

// route finds out what a request is for. http.ServeMux would clean and decode
// the path, which the API server must see as it was sent.
func (s *Server) route(w http.ResponseWriter, r *http.Request, rec *answer.Record) {
	target, ok := originForm(r.RequestURI)
	if name, below := s.cfg.ClusterDomain.Cluster(r.Host); below {
		s.routeHost(w, r, rec, name, target, ok)
		return
	}
	if !ok {
		answer.Fail(w, r, rec, answer.ProblemBody, answer.Failf(answer.NotFound, "nothing is served at %q", answer.Clip(r.RequestURI)))
		return
	}
	target, found := s.withoutBase(target)
	if rest, ok := strings.CutPrefix(target, platform.ClustersPrefix); ok {
		name, target := splitCluster(rest)
		rec.Route = clusterRoute
		w.Header()["Content-Security-Policy"] = sandboxed
		if !found {
			s.noteStripped(r)
		}
		s.proxy(w, r, rec, tunnel.Destination{Name: name, Target: target, Prefix: s.base + platform.ClustersPrefix + name})
		return
	}
	path, _, _ := strings.Cut(target, "?")
	if why := s.misplaced(path); why != "" {
		form := answer.ProblemBody
		if strings.Contains(path, platform.ClustersPrefix) {
			form = answer.StatusBody
		}
		answer.Fail(w, r, rec, form, answer.Failf(answer.NotFound, "nothing is served at %s: %s", answer.Clip(path), why))
		return
	}
	if s.ui != nil && (ui.Concerns(path) || ui.Visited(r, path)) {
		s.ui.Serve(w, r, rec, path)
		return
	}
	s.platform.Serve(w, r, rec, path)
}

// routeHost serves a request to a cluster's own host, where every path is the
// cluster's: nothing of the platform is served there, whatever the name.
func (s *Server) routeHost(w http.ResponseWriter, r *http.Request, rec *answer.Record, name, target string, ok bool) {
	if !ok {
		answer.Fail(w, r, rec, answer.StatusBody, answer.Failf(answer.NotFound, "nothing is served at %q", answer.Clip(r.RequestURI)))
		return
	}
	rec.Route = hostRoute
	w.Header()["Origin-Agent-Cluster"] = ownOrigin
	s.proxy(w, r, rec, tunnel.Destination{Name: name, Target: target})
}

// proxy carries a request to the API server of a cluster, if the caller may reach
// it.
func (s *Server) proxy(w http.ResponseWriter, r *http.Request, rec *answer.Record, to tunnel.Destination) {
	admission, f := s.door.Enter(r, rec, to.Name, to.Target)
	if f != nil {
		answer.Fail(w, r, rec, answer.StatusBody, f)
		return
	}
	defer admission.Done()
	to.NotUpgraded = upgradeMissing(r, admission, to.Target)
	s.noteFront(r)
	to.Cluster, to.As = admission.Cluster, admission.Identity()
	if admission.Recorded() {
		session, err := s.recording(rec, to, admission)
		if err != nil {
			answer.Fail(w, r, rec, answer.StatusBody, answer.Failf(answer.RecordingUnavailable,
				"grant %q demands that the session is recorded: %w; nothing was executed", admission.Decision.Grant, err).For(to.Name))
			return
		}
		defer session.Close()
		to.Tap = session
	} else if f := forwarding(rec, admission); f != nil {
		to.Tap = f
		defer f.note(rec)
	}
	s.tunnel.Serve(w, r, rec, to, admission)
}

// withoutBase removes the path of the public URL. found is false if there is one, and
// the target came without it.
func (s *Server) withoutBase(target string) (rest string, found bool) {
	if s.base == "" {
		return target, true
	}
	if rest, ok := strings.CutPrefix(target, s.base); ok && strings.HasPrefix(rest, "/") {
		return rest, true
	}
	return target, false
}

// originForm returns path and query of a request target as it stands in the
// request line: clients of forward proxies send an absolute URL.
func originForm(target string) (string, bool) {
	if strings.HasPrefix(target, "/") {
		return target, true
	}
	_, rest, ok := strings.Cut(target, "://")
	if !ok {
		return "", false // "*", or CONNECT's host and port
	}
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return "/", true
	case rest[i] == '?':
		return "/" + rest[i:], true
	}
	return rest[i:], true
}

// splitCluster splits "prod/api/v1?x=y" into the cluster's name and the target
// that the API server shall see.
func splitCluster(s string) (name, target string) {
	i := strings.IndexAny(s, "/?")
	switch {
	case i < 0:
		return s, "/"
	case s[i] == '?':
		return s[:i], "/" + s[i:]
	}
	return s[:i], s[i:]
}
