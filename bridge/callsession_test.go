package bridge

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// sessions makes POST /v1/clusters/{cluster}/test call f with a session.
func (r *rig) sessions(f func(r *http.Request, s *call.Session, at endpoint.Place)) {
	caller := &call.Caller{Door: &r.server.door, Tunnel: r.server.tunnel, Follow: r.server.followCall}
	r.server.platform.Add([]endpoint.Route{endpoint.Post("/v1/clusters/{cluster}/test", func(w http.ResponseWriter, req *http.Request, rec *answer.Record, at endpoint.Place) {
		if _, failure := r.server.door.Visit(req, rec, at.Cluster); failure != nil {
			answer.Fail(w, req, rec, answer.ProblemBody, failure)
			return
		}
		f(req, caller.For(req, rec), at)
		w.WriteHeader(http.StatusNoContent)
		rec.Status = http.StatusNoContent
	})})
}

// try is a request to that route, past what openapi.yaml describes.
func (r *rig) try(t *testing.T) {
	t.Helper()
	plain := r.transport(true)
	defer plain.CloseIdleConnections()
	res, err := plain.RoundTrip(r.request("POST", "/v1/clusters/prod/test", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusNoContent {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}

// TestSessionOfManyRequests: each is one of its own for limits, figures and log, and gives
// back what it took.
func TestSessionOfManyRequests(t *testing.T) {
	t.Parallel()
	const n = 20
	l := limit.New().With(&limit.Config{Caller: limit.Limits{ConcurrentRequests: n, Streams: n}})
	r := newRig(t, rigOptions{config: func(c *Config) { c.Limiter = l }})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		switch {
		case strings.Contains(head.Target, "watch"):
			_, _ = s.Write(append(encodeHead(200, -1), "event"...))
			_ = s.Flush()
			<-s.Context().Done()
		case head.Target == "/fail":
			s.Reset(subjects.CodeUpstream, "gone")
		default:
			reply(s, 200, head.RequestID)
		}
	})
	var mu sync.Mutex
	var ids []string
	note := func(id string) {
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, id)
	}
	r.sessions(func(req *http.Request, s *call.Session, at endpoint.Place) {
		visit, f := s.Visit(at.Cluster)
		if f != nil {
			t.Error(f)
			return
		}
		if _, f := s.Visit("prod.nobody"); f != nil && f.Kind == answer.InternalError {
			t.Error(f)
		}
		for range 3 { // what was taken is given back
			var wait sync.WaitGroup
			for range n {
				wait.Go(func() {
					res, f := s.Do(req.Context(), visit, &call.Request{Method: "GET", Target: "/version"})
					if f != nil || res.Status != 200 || string(res.Body) != res.ID {
						t.Errorf("%+v, %v", res, f)
						return
					}
					note(res.ID)
				})
				wait.Go(func() {
					w, f := s.Stream(req.Context(), visit, &call.Request{Method: "GET", Target: "/api/v1/pods?watch=1"})
					if f != nil {
						t.Error(f)
						return
					}
					defer w.Close()
					if b, err := w.Next(); err != nil || string(b) != "event" || w.Ready() {
						t.Errorf("%q, %v", b, err)
					}
					note(w.ID)
				})
			}
			wait.Wait()
		}
		_, f = s.Do(req.Context(), visit, &call.Request{Method: "POST", Target: "/fail"})
		if f == nil || f.Kind != answer.UpstreamLost || !strings.HasSuffix(f.Problem("parent").RequestID, ".121") {
			t.Errorf("%+v", f)
		}
		_, f = s.Stream(req.Context(), visit, &call.Request{Method: "POST", Target: "/fail"})
		if f == nil || f.Kind != answer.UpstreamLost {
			t.Errorf("%+v", f)
		}
	})
	r.try(t)
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 6*n {
		t.Errorf("%d ids: %v", len(ids), ids)
	}
	r.eventually("all are counted", func() bool { return r.metric("fairlead_bridge_requests_total") == 6*n+3 })
	if failures := r.metric("fairlead_bridge_failures_total"); failures != 2 {
		t.Errorf("%v failures", failures)
	}
}

// TestSessionSaysWhoseTimeItWas that ended a request.
func TestSessionSaysWhoseTimeItWas(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if head.Target == "/agent" {
			s.Reset(subjects.CodeTimeout, "the agent's own")
			return
		}
		<-s.Context().Done()
	})
	r.sessions(func(req *http.Request, s *call.Session, at endpoint.Place) {
		visit, _ := s.Visit(at.Cluster)
		for _, tt := range []struct {
			target, of string
			timeout    time.Duration
		}{{"/slow", "caller", 400 * time.Millisecond}, {"/agent", "agent", 30 * time.Second}} {
			_, f := s.Do(req.Context(), visit, &call.Request{Method: "GET", Target: tt.target, Timeout: tt.timeout})
			if f == nil || f.Kind != answer.TimedOut || f.TimeLimit == nil || f.TimeLimit.Of != tt.of {
				t.Errorf("%s: %v", tt.target, f)
			}
		}
	})
	r.try(t)
}
