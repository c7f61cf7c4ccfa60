package agent

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
)

// unauthorized writes the API server's own 401 in an encoding.
func unauthorized(t *testing.T, w http.ResponseWriter, mediaType string) {
	scheme := runtime.NewScheme()
	v1 := schema.GroupVersion{Version: "v1"}
	metav1.AddToGroupVersion(scheme, v1)
	codecs := serializer.NewCodecFactory(scheme)
	info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaType)
	if !ok {
		t.Errorf("no encoding %s", mediaType)
		return
	}
	status := &metav1.Status{Status: metav1.StatusFailure, Message: "Unauthorized", Reason: metav1.StatusReasonUnauthorized, Code: 401}
	b, err := runtime.Encode(codecs.EncoderForVersion(info.Serializer, v1), status)
	if err != nil {
		t.Error(err)
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write(b)
}

// refusedPair is an agent with a token that its API server does not take.
func refusedPair(t *testing.T, h2 bool) *pair {
	s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer good" {
			mediaType := r.Header.Get("Accept")
			if mediaType == "" {
				mediaType = "application/json"
			}
			unauthorized(t, w, mediaType)
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

// TestApplicationsOwn401: what an application behind a proxy answers passes
// byte for byte.
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

// TestReadinessKnowsARefusedCredential: requests that are refused make the agent
// unready, also where /readyz is open to everybody.
func TestReadinessKnowsARefusedCredential(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, func(w http.ResponseWriter, _ *http.Request) { unauthorized(t, w, "application/json") })
	file, _ := b.Creds(b.Agents, "prod", time.Time{})
	bridge, seen := b.Bridge()
	a, _, log := runAgent(t, Config{Servers: []string{b.URL()}, CredsFile: file, CAFile: b.CAFile, LoadKube: loads(agenttest.ConfigFor(s))})
	agenttest.WaitFor(t, "presence says that all is well", func() bool { return seen.Find(agenttest.IsUp) != "" })
	instance := seen.Find(agenttest.IsUp)
	for range 5 {
		if _, err := agenttest.Call(t, bridge, instance, agenttest.Get("/api/v1/pods")); subjects.CodeOf(err) != subjects.CodeUnauthorized {
			t.Fatalf("got %v, want %v", err, subjects.CodeUnauthorized)
		}
	}
	agenttest.WaitFor(t, "readiness says so", func() bool {
		_, err := a.APIServerCheck(t.Context())
		return err != nil && strings.Contains(err.Error(), "does not accept the agent's credentials")
	})
	agenttest.WaitFor(t, "presence follows", func() bool { return seen.Find(func(p subjects.Presence) bool { return !p.Reachable }) != "" })
	if n := strings.Count(log.String(), "does not accept the agent's credentials"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
}
