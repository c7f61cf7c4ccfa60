package bridge

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestPagesOfClusters: whatever is answered below the platform's origin is sandboxed,
// failures of the bridge and revalidations too, and a cluster's own policies stay. At a
// cluster's own host its pages are its own affair.
func TestPagesOfClusters(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{config: func(c *Config) { withDomain(c); c.CORSOrigins = []string{"https://ui.example.com"} }})
	const own = "default-src 'self'"
	r.agent("acme", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		switch path, _, _ := strings.Cut(head.Target, "?"); path {
		case "/early":
			b := encodeHead(103, -1, "Link", "</x>", "Content-Security-Policy", "script-src *")
			_ = s.WriteFinal(append(append(b, encodeHead(200, 2)...), "ok"...))
		case "/unchanged":
			_ = s.WriteFinal(encodeHead(304, -1, "Content-Security-Policy", own))
		case "/password":
			reply(s, 401, "who?", "Www-Authenticate", `Basic realm="Fairlead"`, "Content-Security-Policy", own)
		default:
			reply(s, 200, "ok", "Content-Security-Policy", own, "Origin-Agent-Cluster", "?0", "Refresh", "0")
		}
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		get := func(host, target string) http.Header {
			t.Helper()
			req := r.request("GET", target, nil)
			req.Host = host
			req.Header.Set("Origin", "https://ui.example.com")
			res, _ := r.do(c, req)
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != "https://ui.example.com" {
				t.Errorf("%s%s: CORS origin %q", host, target, got)
			}
			return res.Header
		}
		const below = "/k8s/clusters/prod.acme"
		for target, want := range map[string][]string{
			below + "/page": {"sandbox", own}, below + "/unchanged": {"sandbox", own}, below + "/password": {"sandbox", own},
			below + "/early": {"sandbox"}, below: {"sandbox", own},
			"/k8s/clusters/nobody.acme/x": {"sandbox"}, "/k8s/clusters/a.b.c/x": {"sandbox"}, "/v1/clusters": nil,
		} {
			h := get("fairlead.example.com", target)
			if got := h["Content-Security-Policy"]; !slices.Equal(got, want) {
				t.Errorf("%s: policies %q, want %q", target, got, want)
			}
			if h.Get("Refresh") != "" || h.Get("Origin-Agent-Cluster") != "" {
				t.Errorf("%s: %v", target, h)
			}
		}
		if got := get("fairlead.example.com", below+"/password")["Www-Authenticate"]; !slices.Equal(got, []string{"Bearer"}) {
			t.Errorf("challenges of a cluster: %q, want the bridge's own", got)
		}
		h := get("prod.acme.k8s.example.com", "/page")
		if !slices.Equal(h["Content-Security-Policy"], []string{own}) || !slices.Equal(h["Origin-Agent-Cluster"], []string{"?1"}) || h.Get("Refresh") != "" {
			t.Errorf("at the cluster's host: %v", h)
		}
	})
}
