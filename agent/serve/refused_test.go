package serve

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
)

// refusedPair is an agent with a token that its API server does not take.
func refusedPair(t *testing.T, h2 bool) *pair {
	s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer good" {
			mediaType := r.Header.Get("Accept")
			if mediaType == "" {
				mediaType = "application/json"
			}
			agenttest.Unauthorized(t, w, mediaType)
		}
	})
	config := agenttest.ConfigFor(s)
	config.BearerToken = "bad"
	return newPair(t, config)
}

const appPath = "/api/v1/namespaces/default/services/http:app:80/proxy/login"

func TestRefusalOfTheAgentsOwnCredential(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		p := refusedPair(t, h2)
		for _, target := range []string{
			"/api", "/api/v1/namespaces/default/pods/x/exec?command=proxy", "/apis/apps/v1/deployments?watch=1", "/version",
			appPath, "/api/v1/namespaces/a/pods/b/proxy", "/api/v1/nodes/n/proxy/metrics", "//api/v1/namespaces/a/pods/b/pr%6Fxy/",
		} {
			for _, accept := range []string{"", "application/yaml", "application/vnd.kubernetes.protobuf"} {
				for _, upgrade := range []bool{false, true} {
					head := agenttest.Get(target)
					if upgrade {
						head = agenttest.UpgradeTo("GET", target, "websocket")
					}
					if accept != "" {
						head.Header.Set("Accept", accept)
					}
					agenttest.WantReset(t, p.open(t, head, nil, !upgrade), subjects.CodeUnauthorized)
				}
			}
		}
		// A HEAD has no body that would tell, but the agent has learned it by now.
		agenttest.WantReset(t, p.open(t, &subjects.RequestHead{Method: "HEAD", Target: appPath, Header: http.Header{}}, nil, true), subjects.CodeUnauthorized)
	})
}

// TestApplicationsOwn401: the 401 of an application behind a proxy passes byte for
// byte.
func TestApplicationsOwn401(t *testing.T) {
	apps := []struct{ mediaType, body string }{
		{"text/html", "<h1>Login</h1>"},
		{"application/json", `{"error":"login"}`},
		{"application/json", ""},
		{"application/json", strings.Repeat("x", 2*maxStatus)},
		{"application/json", `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":401}`},
		{"application/json", `{"kind":"Status"` + strings.Repeat(" ", 2*maxStatus)},
		{"application/vnd.kubernetes.protobuf", "k8s\x00 v1 Status"},
		{"", "login"},
	}
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			i, _ := strconv.Atoi(r.Header.Get("X-App"))
			w.Header().Set("Content-Type", apps[i].mediaType)
			w.Header().Set("Www-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, apps[i].body)
		})
		p := newPair(t, agenttest.ConfigFor(s))
		for i, app := range apps {
			for _, method := range []string{"GET", "POST", "HEAD"} {
				head := &subjects.RequestHead{Method: method, Target: appPath, Header: http.Header{"X-App": {strconv.Itoa(i)}}}
				h, b := p.do(t, head, nil)
				want := app.body
				if method == "HEAD" {
					want = ""
				}
				if h.Status != 401 || string(b) != want || h.Header.Get("Www-Authenticate") != "Basic" {
					t.Errorf("%s %s: got %d, %.100q, %v; want the application's 401 with %.100q", method, app.mediaType, h.Status, b, h.Header, want)
				}
			}
		}
	})
}

// TestVirtualClustersOwn401: the API server of a virtual cluster behind a proxy
// refuses its caller's credential as the cluster's own would refuse the agent's.
func TestVirtualClustersOwn401(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == appPath {
				agenttest.Unauthorized(t, w, r.Header.Get("Accept"))
			}
		})
		p := newPair(t, agenttest.ConfigFor(s))
		for _, accept := range []string{"application/json", "application/yaml", "application/vnd.kubernetes.protobuf"} {
			for _, method := range []string{"GET", "POST", "HEAD"} {
				head := &subjects.RequestHead{Method: method, Target: appPath, Header: http.Header{"Accept": {accept}}}
				h, b := p.do(t, head, nil)
				if h.Status != 401 || strings.Contains(string(b), "Unauthorized") == (method == "HEAD") {
					t.Errorf("%s %s: got %d, %q; want the virtual cluster's 401", method, accept, h.Status, b)
				}
			}
		}
	})
}
