package bridge

import (
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/platform"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// frontProxy notices the usual mistakes in the configuration of a proxy in front of
// the bridge, by what arrives. It refuses nothing that could have worked. It is safe
// for concurrent use.
type frontProxy struct {
	// http10, stripped and cut bound the log: a proxy that is configured wrong is so
	// for every request.
	http10, stripped, cut rate.Sometimes
	// silences are those after which callers' ends of streams were closed.
	silences cause.Regular
}

// hintEvery is the least time between two log lines about the same mistake.
const hintEvery = time.Hour

func (f *frontProxy) init() {
	for _, s := range []*rate.Sometimes{&f.http10, &f.stripped, &f.cut} {
		s.Interval = hintEvery
	}
}

// nginxUpgrade is the cure for most of them.
const nginxUpgrade = "nginx needs proxy_http_version 1.1, proxy_set_header Upgrade and proxy_set_header Connection in the bridge's location (deploy/nginx)"

// upgradeMissing says where an exec, attach or port-forward has lost its upgrade; nil:
// it has not. An API server refuses such a request with 400 and gives no reason.
func upgradeMissing(r *http.Request, a *access.Admission, target string) *answer.Failure {
	path, _, _ := strings.Cut(target, "?")
	last := path[strings.LastIndexByte(path, '/')+1:]
	if last != "exec" && last != "attach" && last != "portforward" || upgrades(r) {
		return nil
	}
	info, err := a.Info()
	if err != nil || !info.IsResource || info.Resource != "pods" || info.Subresource != last || info.APIGroup != "" {
		return nil
	}
	why := "a proxy in front of the bridge does not pass on the header Upgrade: " + nginxUpgrade
	switch {
	case r.ProtoMajor == 2:
		why = "it came over HTTP/2, which cannot be upgraded: a proxy in front of the bridge must speak HTTP/1.1 to it, or the bridge run with --http2=false"
	case r.ProtoMajor == 1 && r.ProtoMinor == 0:
		why = "it came over HTTP/1.0, which a proxy in front of the bridge speaks: " + nginxUpgrade
	case r.Header["Upgrade"] != nil:
		why = `a proxy in front of the bridge passes on Upgrade without "Connection: upgrade": ` + nginxUpgrade
	}
	return answer.Failf(answer.UpgradeMissing, "pods/%s needs a connection that is upgraded to SPDY or WebSocket, and the request does not ask for it; %s", last, why)
}

// upgrades reports whether a request can be upgraded as it came.
func upgrades(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.ProtoMinor > 0 && r.Header["Upgrade"] != nil && subjects.HasToken(r.Header["Connection"], "upgrade")
}

// misplaced says what is wrong with a path that holds one of the bridge's, but does
// not begin with it. "": it does not.
func (s *Server) misplaced(path string) string {
	if served(path) {
		return ""
	}
	if rest := strings.TrimLeft(path, "/"); len(path)-len(rest) > 1 && served("/"+rest) {
		return "the path begins with more than one slash: a proxy in front of the bridge puts one there (nginx: a location without a slash at its end " +
			"and a proxy_pass with one; leave it out in proxy_pass, see deploy/nginx)"
	}
	for i := 1; i < len(path); i++ {
		if path[i] != '/' || !served(path[i:]) {
			continue
		}
		prefix := answer.Clip(path[:i])
		if s.base != "" {
			return "the path begins with " + prefix + ", and --public-url has the path " + s.base + ": make the two the same"
		}
		return "the path begins with " + prefix + ": if a proxy in front of the bridge serves it there, set --public-url to the URL with that path"
	}
	return ""
}

// served reports whether the bridge has something at a path.
func served(path string) bool {
	return strings.HasPrefix(path, platform.ClustersPrefix) || path == "/v1/clusters" || strings.HasPrefix(path, "/v1/clusters/") || path == "/v1/whoami"
}

// noteFront logs how a request to a cluster came, if a proxy in front makes less of it
// than it could.
func (s *Server) noteFront(r *http.Request) {
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		s.front.http10.Do(func() {
			s.cfg.Logger.WarnContext(r.Context(), "requests come over HTTP/1.0, in which exec, attach and port-forward cannot work",
				"peer", r.RemoteAddr, "hint", "a proxy in front of the bridge speaks HTTP/1.0 to it; "+nginxUpgrade)
		})
	}
}

// noteStripped logs that a proxy in front removes the path of the public URL. nginx
// decodes and cleans the rest when it does.
func (s *Server) noteStripped(r *http.Request) {
	s.front.stripped.Do(func() {
		s.cfg.Logger.InfoContext(r.Context(), "requests come without the path of --public-url: a proxy in front of the bridge removes it",
			"path", s.base, "peer", r.RemoteAddr, "hint", "if that is nginx, it changes encoded paths as well: leave the path out of proxy_pass, even a slash (deploy/nginx)")
	})
}

// noteCut logs that streams are closed from the caller's side after the same silence
// again and again.
func (s *Server) noteCut(r *http.Request, rec *answer.Record) {
	code, _ := rec.Ended()
	if code != answer.ClientGone.Code || rec.LastSent.IsZero() {
		return
	}
	every, regular := s.front.silences.Add(time.Since(rec.LastSent))
	if !regular {
		return
	}
	s.front.cut.Do(func() {
		s.cfg.Logger.WarnContext(r.Context(), "quiet streams are closed from the callers' side after the same time again and again",
			"silence", every, "peer", r.RemoteAddr, "hint", "a proxy in front of the bridge limits silence, which a watch or logs -f may keep for hours; "+
				"nginx needs proxy_read_timeout 1d in the bridge's location (deploy/nginx)")
	})
}
