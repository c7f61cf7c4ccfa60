package bridge

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func limitedRig(t *testing.T, c limit.Config) *rig {
	l := limit.New().With(&c)
	return newRig(t, rigOptions{config: func(cfg *Config) { cfg.Limiter = l }})
}

// A refusal says which limit it is about and whose, and when to try again, in each
// way that clients read.
func TestRateLimited(t *testing.T) {
	t.Parallel()
	r := limitedRig(t, limit.Config{Caller: limit.Limits{RequestsPerSecond: 0.1, Burst: 2}})
	r.agent("default", "prod", hello)
	for _, tt := range []struct {
		method, path string
		body         string
	}{
		{"GET", "/k8s/clusters/prod/version", ""},
		{"POST", "/v1/clusters/prod/requests", `{"path": "/version"}`},
		{"GET", "/k8s/clusters/prod/version", ""},
		{"POST", "/v1/clusters/prod/requests", `{"path": "/version"}`},
	} {
		res, body := r.do(r.h2, r.request(tt.method, tt.path, strings.NewReader(tt.body)))
		if res.StatusCode == http.StatusOK {
			continue
		}
		wantFailure(t, res, body, answer.RateLimited)
		wait, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if err != nil || wait < 9 || wait > 10 {
			t.Errorf("Retry-After %q, want 10", res.Header.Get("Retry-After"))
		}
		for name, want := range map[string]string{
			"RateLimit-Policy": `"caller-requests";q=1;w=10`,
			"RateLimit":        `"caller-requests";r=0;t=` + strconv.Itoa(wait),
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		at, err := http.ParseTime(res.Header.Get("RateLimit-ResetTime"))
		if until := time.Until(at); err != nil || until < 8*time.Second || until > 12*time.Second {
			t.Errorf("RateLimit-ResetTime %q is in %v: %v", res.Header.Get("RateLimit-ResetTime"), until, err)
		}
		if !strings.Contains(body, `caller \"admin\"`) || !strings.Contains(body, "0.1 requests a second") || !strings.Contains(body, `"limit"`) {
			t.Errorf("the answer does not say which limit: %s", body)
		}
	}
	if n := r.metric("fairlead_bridge_limited_total"); n != 2 {
		t.Errorf("%v refusals are counted, want 2", n)
	}
}

// client-go waits as the answer says and repeats the request by itself, a POST too.
func TestClientGoWaits(t *testing.T) {
	r := limitedRig(t, limit.Config{Caller: limit.Limits{RequestsPerSecond: 1}})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		reply(s, 200, `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"}}`, "Content-Type", "application/json")
	})
	client := kubernetes.NewForConfigOrDie(&rest.Config{
		Host: r.url + "/k8s/clusters/prod", BearerToken: r.token, TLSClientConfig: rest.TLSClientConfig{CAData: r.ca},
	})
	start := time.Now()
	refused := func() bool { return r.metric("fairlead_bridge_limited_total") > 0 }
	made := 0
	for ; made < 2 || !refused() && made < 10; made++ { // on a busy machine a second may be over by itself
		pod, err := client.CoreV1().Pods("shop").Create(t.Context(), &corev1.Pod{}, metav1.CreateOptions{})
		if err != nil || pod.Name != "x" {
			t.Errorf("request %d: %v", made, err)
		}
	}
	if took := time.Since(start); took < time.Duration(made-1)*time.Second {
		t.Errorf("%d requests took %v, within a limit of one a second", made, took)
	}
	if !refused() {
		t.Error("no request was refused")
	}
}

// Streams count until they end, however they end.
func TestStreamsAreLimited(t *testing.T) {
	t.Parallel()
	r := limitedRig(t, limit.Config{Caller: limit.Limits{Streams: 2, ConcurrentRequests: 1}})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if !subjects.IsLong(head.Method, head.Target) {
			hello(head, s)
			return
		}
		_, _ = s.Write(encodeHead(200, -1, "Content-Type", "application/json"))
		<-s.Context().Done()
	})
	const watch = "/k8s/clusters/prod/api/v1/pods?watch=true"
	var open []*http.Response
	for range 2 {
		res, err := r.h2.Do(r.request("GET", watch, nil))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, res)
	}
	res, body := r.do(r.h1, r.request("GET", watch, nil))
	wantFailure(t, res, body, answer.RateLimited)
	if got, want := res.Header.Get("RateLimit-Policy"), `"caller-streams";q=2;qu="concurrent-requests"`; got != want {
		t.Errorf("RateLimit-Policy %q, want %q", got, want)
	}
	if res, body := r.do(r.h1, r.request("GET", "/k8s/clusters/prod/version", nil)); res.StatusCode != 200 {
		t.Errorf("a request beside two streams: %d %s", res.StatusCode, body)
	}
	for _, res := range open {
		_ = res.Body.Close()
	}
	r.eventually("a stream may begin again", func() bool {
		res, err := r.h2.Do(r.request("GET", watch, nil))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode == 200
	})
}

// Requests wait for their turn where the agents take no more, those with a body that
// is streamed too.
func TestAgentsAreFull(t *testing.T) {
	t.Parallel()
	r := limitedRig(t, limit.Config{})
	var running, refused atomic.Int32
	full := make(chan struct{}) // closed when the agent has refused a request
	r.agent("acme", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		defer running.Add(-1)
		if running.Add(1) > 2 {
			if refused.Add(1) == 1 {
				close(full)
			}
			s.Reset(subjects.CodeOverloaded, "")
			return
		}
		select {
		case <-full:
			reply(s, 200, "done")
		case <-s.Context().Done():
		}
	})
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			req := r.request("POST", "/k8s/clusters/prod.acme/api/v1/pods", strings.NewReader("x"))
			switch i % 3 {
			case 1:
				req.Header.Set("Authorization", "Bearer "+r.acme)
			case 2:
				req = r.request("POST", "/v1/clusters/prod.acme/requests", strings.NewReader(`{"path": "/version"}`))
			}
			res, err := r.h2.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if res.StatusCode != 200 {
				t.Errorf("request %d: %s", i, res.Status)
			}
		})
	}
	all.Wait()
	if refused.Load() == 0 {
		t.Error("the agent refused nothing")
	}
	t.Logf("the agent refused %d", refused.Load())
}

// Bodies pass whole and at the rate, in both directions, and their caller going away
// ends the wait.
func TestBytesAreLimited(t *testing.T) {
	t.Parallel()
	const rate, size = 2 << 20, 3 << 20
	r := limitedRig(t, limit.Config{Caller: limit.Limits{BytesPerSecond: rate}})
	ended := make(chan struct{}, 1)
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		switch head.Target {
		case "/download":
			_, _ = s.Write(append(encodeHead(200, size), bytes.Repeat([]byte("x"), size)...))
			_ = s.CloseWrite()
		case "/endless":
			_, _ = s.Write(encodeHead(200, -1))
			for chunk := make([]byte, 64<<10); s.Context().Err() == nil; {
				_, _ = s.Write(chunk)
			}
			ended <- struct{}{}
		default:
			o := drainBody(s)
			reply(s, 200, strconv.FormatInt(o.n, 10))
		}
	})
	for _, tt := range []struct {
		name, method, target string
		body                 io.Reader
		want                 int
	}{
		{"download", "GET", "/download", nil, size},
		{"upload", "POST", "/upload", &endless{left: size}, len(strconv.Itoa(size))},
		{"small bodies", "POST", "/upload", strings.NewReader("small"), 1},
	} {
		start := time.Now()
		res, body := r.do(r.h2, r.request(tt.method, "/k8s/clusters/prod"+tt.target, tt.body))
		took := time.Since(start)
		if res.StatusCode != 200 || len(body) != tt.want {
			t.Errorf("%s: %s with %d bytes, want %d", tt.name, res.Status, len(body), tt.want)
		}
		// What the bucket holds passes at once.
		if least := time.Duration(float64(size-rate/4) / rate * float64(time.Second)); tt.want != 1 && took < least {
			t.Errorf("%s: took %v, want at least %v", tt.name, took, least)
		}
		t.Logf("%s took %v", tt.name, took)
	}
	res, err := r.h2.Do(r.request("GET", "/k8s/clusters/prod/endless", nil))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
	_ = res.Body.Close()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the response goes on after its client went away")
	}
}

// The audit event of a refusal names the limit, and says that the caller was allowed and as
// whom.
func TestAuditOfLimits(t *testing.T) {
	t.Parallel()
	l := limit.New().With(&limit.Config{Caller: limit.Limits{RequestsPerSecond: 0.01}})
	r, s := auditRig(t, audit.Config{}, rigOptions{config: func(c *Config) {
		c.Limiter, c.Authorizer = l, demanding{}
	}})
	for _, id := range []string{"in", "out"} {
		r.do(r.h1, named(r.request("GET", "/k8s/clusters/prod/version", nil), id))
	}
	d := r.eventOf(t, s, "out", "ResponseComplete")
	if d.Failure.Code != "rate-limited" || d.Failure.Lock != "limit" || d.ResponseStatus.Code != 429 || d.Grant != "shells" {
		t.Errorf("%+v", d)
	}
	if d.ImpersonatedUser == nil || d.ImpersonatedUser.Username != "jane" || d.Cluster != "prod" {
		t.Errorf("as whom it would have run: %+v", d)
	}
	if got := d.Annotations["authorization.k8s.io/decision"]; got != "allow" {
		t.Errorf("decision %q, want allow", got)
	}
}
