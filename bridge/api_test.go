package bridge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func decode[T any](t *testing.T, body string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v
}

func TestClustersAPI(t *testing.T) {
	r := newRig(t, rigOptions{clusters: []string{"spare"}})
	r.agent("default", "prod", hello)
	r.agent("acme", "prod", hello)
	r.agent("acme", "prod", hello)
	gone := r.agent("acme", "dev", hello)
	_ = gone.Close()

	res, body := r.do(r.h2, r.request("GET", "/v1/clusters/prod.acme", nil))
	c := decode[api.Cluster](t, body)
	if res.StatusCode != 200 || c.Name != "prod.acme" || c.Tenant != "acme" || c.Cluster != "prod" || c.State != "connected" ||
		c.Kubernetes != "v1.34.4" || len(c.Instances) != 2 || c.LastSeen == nil {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
	if in := c.Instances[0]; in.Version != "v1.2.3" || !in.Compatible || !in.APIServerReachable || in.State != string(subjects.PresenceUp) || in.Started == nil {
		t.Errorf("instance %+v", in)
	}
	res, body = r.do(r.h2, r.request("GET", "/v1/clusters/elsewhere", nil))
	if c := decode[api.Cluster](t, body); res.StatusCode != 200 || c.State != "never-connected" || c.Instances == nil {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
	res, body = r.do(r.h2, r.request("GET", "/v1/clusters/typo.lab", nil))
	wantFailure(t, res, body, answer.UnknownCluster)
	res, body = r.do(r.h2, r.request("GET", "/v1/clusters/a.b.c", nil))
	wantFailure(t, res, body, answer.BadClusterName)

	states := func(token, query string) map[string]string {
		req := r.request("GET", "/v1/clusters"+query, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		res, body := r.do(r.h1, req)
		if res.StatusCode != 200 {
			t.Fatalf("got %d %s", res.StatusCode, body)
		}
		got := map[string]string{}
		for _, c := range decode[struct{ Clusters []api.Cluster }](t, body).Clusters {
			got[c.Name] = string(c.State)
		}
		return got
	}
	for _, tt := range []struct {
		token, query string
		want         map[string]string
	}{
		{r.token, "", map[string]string{"prod": "connected", "prod.acme": "connected", "dev.acme": "offline", "spare.lab": "never-connected"}},
		{r.token, "?tenant=acme", map[string]string{"prod.acme": "connected", "dev.acme": "offline"}},
		{r.acme, "", map[string]string{"prod.acme": "connected", "dev.acme": "offline"}},
		{r.acme, "?tenant=default", map[string]string{}},
	} {
		if got := states(tt.token, tt.query); !maps.Equal(got, tt.want) {
			t.Errorf("clusters%s: %v, want %v", tt.query, got, tt.want)
		}
	}
	res, body = r.do(r.h1, r.request("GET", "/v1/clusters?tenant=nobody", nil))
	wantFailure(t, res, body, answer.UnknownCluster)
	res, body = r.do(r.h1, r.request("DELETE", "/v1/clusters/prod", nil))
	wantFailure(t, res, body, answer.WrongMethod)
	if res.Header.Get("Allow") != "GET" {
		t.Errorf("Allow: %q", res.Header.Get("Allow"))
	}
}

func TestKubeconfig(t *testing.T) {
	r := newRig(t, rigOptions{publicURL: "https://git.example.com/-/fairlead"})
	req := r.request("GET", "/-/fairlead/v1/clusters/prod.acme/kubeconfig", nil)
	req.Header.Set("Authorization", "Bearer "+r.acme)
	res, body := r.do(r.h2, req)
	var k struct {
		Kind           string
		APIVersion     string `yaml:"apiVersion"`
		CurrentContext string `yaml:"current-context"`
		Clusters       []struct {
			Name    string
			Cluster struct {
				Server string
				CA     string `yaml:"certificate-authority-data"`
			}
		}
		Users []struct {
			Name string
			User struct{ Token string }
		}
		Contexts []struct {
			Name    string
			Context struct{ Cluster, User string }
		}
	}
	if err := yaml.Unmarshal([]byte(body), &k); err != nil || res.StatusCode != 200 {
		t.Fatalf("%d %s: %v", res.StatusCode, body, err)
	}
	// Two platforms, or two clusters of one, share no name.
	const name = "prod.acme@git.example.com/-/fairlead"
	const user = "acme-ci/" + name
	ca, _ := base64.StdEncoding.DecodeString(k.Clusters[0].Cluster.CA)
	if k.Kind != "Config" || k.APIVersion != "v1" || k.CurrentContext != name || k.Contexts[0].Name != name ||
		k.Clusters[0].Name != name || k.Contexts[0].Context.Cluster != name || k.Users[0].Name != user ||
		k.Clusters[0].Cluster.Server != "https://git.example.com/-/fairlead/k8s/clusters/prod.acme" ||
		!bytes.Equal(ca, r.ca) || k.Users[0].User.Token != r.acme || k.Contexts[0].Context.User != user {
		t.Errorf("got %+v", k)
	}
	if res.Header.Get("Cache-Control") != "no-store" {
		t.Error("a kubeconfig may be cached")
	}
}

func (r *rig) call(path, doc string) (*http.Response, string) {
	r.t.Helper()
	return r.do(r.h2, r.request("POST", path, strings.NewReader(doc)))
}

func TestCallAsJSON(t *testing.T) {
	r := newRig(t, rigOptions{})
	heads := make(chan *subjects.RequestHead, 1)
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		b, _ := io.ReadAll(s)
		heads <- head
		switch head.Target {
		case "/echo":
			reply(s, 201, string(b), "Content-Type", head.Header.Get("Content-Type"), "X-Many", "1", "X-Many", "2", "Set-Cookie", "a=b")
		case "/binary":
			reply(s, 200, "\xff\x00", "Content-Type", "application/octet-stream")
		case "/empty":
			_ = s.WriteFinal(encodeHead(204, -1))
		case "/huge":
			_, _ = s.Write(encodeHead(200, -1))
			chunk := make([]byte, 64<<10)
			for {
				if _, err := s.Write(chunk); err != nil {
					return
				}
			}
		case "/slow":
			<-s.Context().Done()
		case "/short":
			_ = s.WriteFinal(append(encodeHead(200, 5), "x"...))
		}
	})
	const path = "/v1/clusters/prod/requests"
	for _, tt := range []struct {
		name, doc   string
		contentType string
		body        string // of the result, as JSON
		base64      string
	}{
		{"object", `{"method":"POST","path":"/echo","body":{"a":[1,2]}}`, "application/json", `{"a":[1,2]}`, ""},
		{"string", `{"method":"POST","path":"/echo","body":"plain","headers":{"content-type":"text/plain"}}`, "text/plain", `"plain"`, ""},
		{"base64", `{"method":"POST","path":"/echo","bodyBase64":"/wA="}`, "", "", "/wA="},
		{"merge patch", `{"method":"PATCH","path":"/echo","body":{"b":null},"headers":{"Content-Type":"application/merge-patch+json"}}`, "application/merge-patch+json", `{"b":null}`, ""},
		{"text that is no JSON", `{"method":"POST","path":"/echo","body":"{","headers":{"Content-Type":["application/json"]}}`, "application/json", `"{"`, ""},
	} {
		res, body := r.call(path, tt.doc)
		if res.StatusCode != 200 {
			t.Fatalf("%s: %d %s", tt.name, res.StatusCode, body)
		}
		got := decode[api.CallResult](t, body)
		head := <-heads
		if got.Status != 201 || string(got.Body) != tt.body || base64.StdEncoding.EncodeToString(got.BodyBase64) != tt.base64 ||
			head.Header.Get("Content-Type") != tt.contentType || !slices.Equal(got.Headers["X-Many"], []string{"1", "2"}) || got.Headers["Set-Cookie"] != nil {
			t.Errorf("%s: %s; the agent got %+v", tt.name, body, head)
		}
		if d, err := time.ParseDuration(got.Duration); err != nil || d <= 0 {
			t.Errorf("%s: duration %q", tt.name, got.Duration)
		}
		if head.RequestID != res.Header.Get("X-Request-Id") || head.Timeout != 30*time.Second {
			t.Errorf("%s: request id %q, timeout %v", tt.name, head.RequestID, head.Timeout)
		}
	}
	res, body := r.call(path, `{"path":"/binary?x=y","headers":{"X-Remote-User":"root","Authorization":"Bearer x","X-A":["1","2"]},"timeout":"5s"}`)
	_ = res
	if head := <-heads; head.Method != "GET" || head.Target != "/binary?x=y" || head.Timeout != 5*time.Second ||
		!maps.EqualFunc(head.Header, http.Header{"X-A": {"1", "2"}}, slices.Equal) {
		t.Errorf("the agent got %+v (%s)", head, body)
	}
	if _, body := r.call(path, `{"path":"/binary"}`); decode[api.CallResult](t, body).Body != nil || string(decode[api.CallResult](t, body).BodyBase64) != "\xff\x00" {
		t.Errorf("binary: %s", body)
	}
	<-heads
	if _, body := r.call(path, `{"path":"/empty","method":"DELETE"}`); decode[api.CallResult](t, body).Status != 204 {
		t.Errorf("empty: %s", body)
	}
	<-heads
	for doc, want := range map[string]*answer.Kind{
		`{"path":"/huge"}`:                   answer.ResponseTooLarge,
		`{"path":"/slow","timeout":"100ms"}`: answer.TimedOut,
		`{"path":"/short"}`:                  answer.ProtocolError,
	} {
		res, body := r.call(path, doc)
		wantFailure(t, res, body, want)
		<-heads
	}
	for doc, want := range map[string]string{
		``: "the body is empty", `{}`: "path: none given", `{"path":"x"}`: "path: \"x\" does not begin with a slash",
	} {
		_, body := r.call(path, doc)
		if got := decode[api.Problem](t, body).Detail; !strings.Contains(got, want) {
			t.Errorf("%s: detail %q, want %q in it", doc, got, want)
		}
	}
	for doc, want := range map[string]*answer.Kind{
		``:                              answer.BadRequest,
		`[]`:                            answer.BadRequest,
		`{"path":"/x","pth":1}`:         answer.BadRequest,
		`{"path":"/x"} {}`:              answer.BadRequest,
		`{"path":"x"}`:                  answer.BadRequest,
		`{}`:                            answer.BadRequest,
		`{"path":"/a b"}`:               answer.BadRequest,
		`{"path":"/x","method":"A B"}`:  answer.BadRequest,
		`{"path":"/x","timeout":"1"}`:   answer.BadRequest,
		`{"path":"/x","timeout":"1h"}`:  answer.BadRequest,
		`{"path":"/x","timeout":"-1s"}`: answer.BadRequest,
		`{"path":"/x","body":"a","bodyBase64":"YQ=="}`:   answer.BadRequest,
		`{"path":"/x","bodyBase64":"%"}`:                 answer.BadRequest,
		`{"path":"/x","headers":{"X":1}}`:                answer.BadRequest,
		`{"path":"/x","headers":{"X":"a\nb"}}`:           answer.BadRequest,
		`{"path":"/x","headers":{"X Y":"a"}}`:            answer.BadRequest,
		`{"path":"/` + strings.Repeat("x", 9<<20) + `"}`: answer.BodyTooLarge,
		`{"path":"/` + strings.Repeat("x", 2<<20) + `"}`: answer.HeadTooLarge,
	} {
		res, body := r.call(path, doc)
		if res.Header.Get("Fairlead-Error") != want.Code {
			t.Errorf("%.60s: %d %s, want %s", doc, res.StatusCode, body, want.Code)
			continue
		}
		wantFailure(t, res, body, want)
	}
	select {
	case head := <-heads:
		t.Errorf("a bad call reached the agent: %+v", head)
	default:
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	r := newRig(t, rigOptions{})
	req := r.request("GET", "/openapi.yaml", nil)
	req.Header.Del("Authorization")
	if res, body := r.do(r.h1, req); res.StatusCode != 200 || !strings.HasPrefix(body, "openapi: 3.1") {
		t.Errorf("GET /openapi.yaml: %d", res.StatusCode)
	}
}
