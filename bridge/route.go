package bridge

import (
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/identity"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	clustersPrefix = "/k8s/clusters/"
	apiPrefix      = "/v1/"
)

// route finds out what a request is for. http.ServeMux would clean and decode
// the path, which the API server must see as it was sent.
func (s *Server) route(w http.ResponseWriter, r *http.Request, rec *record) {
	target, ok := originForm(r.RequestURI)
	if !ok {
		s.fail(w, r, rec, problemBody, failf(notFound, "nothing is served at %q", clip(r.RequestURI)))
		return
	}
	target = s.withoutBase(target)
	if rest, ok := strings.CutPrefix(target, clustersPrefix); ok {
		name, target := splitCluster(rest)
		s.proxy(w, r, rec, name, target)
		return
	}
	path, _, _ := strings.Cut(target, "?")
	s.api(w, r, rec, path)
}

// withoutBase removes the path of the public URL, where there is one.
func (s *Server) withoutBase(target string) string {
	if rest, ok := strings.CutPrefix(target, s.base); ok && s.base != "" && strings.HasPrefix(rest, "/") {
		return rest
	}
	return target
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

// admit finds out who calls and whether the caller may reach the cluster.
func (s *Server) admit(r *http.Request, rec *record, name string) (ref subjects.ClusterRef, caller *identity.Caller, f *failure) {
	caller, f = s.authenticate(r, rec)
	if f != nil {
		return ref, nil, f
	}
	ref, err := subjects.ParseClusterRef(name)
	if err != nil {
		return ref, nil, failf(badClusterName, "%v; a cluster is written prod or prod.tenant", err)
	}
	rec.cluster = name
	if err := s.cfg.Authorizer.Authorize(caller, ref); err != nil {
		return ref, nil, failf(forbidden, "%v", err)
	}
	return ref, caller, nil
}

func (s *Server) authenticate(r *http.Request, rec *record) (*identity.Caller, *failure) {
	caller, err := s.cfg.Authenticator.Authenticate(r)
	if err != nil {
		return nil, failf(unauthenticated, "%v", err)
	}
	rec.caller = caller.Name
	return caller, nil
}
