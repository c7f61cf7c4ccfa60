package bridge

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/bridge/audit/audittest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// trail is a sink in memory, which can fail.
type trail struct {
	mu     sync.Mutex
	lines  bytes.Buffer
	synced int // bytes that a sync has covered
	err    error
}

func (s *trail) Write(lines []byte, sync bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.lines.Write(lines)
	if sync {
		s.synced = s.lines.Len()
	}
	return nil
}

func (s *trail) Tick(time.Time) error { return nil }

func (s *trail) Close() error { return nil }

func (s *trail) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// text is what was written so far.
func (s *trail) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines.String()
}

// events are those so far, checked against the schema.
func (s *trail) events(t *testing.T) []audittest.Event {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	return audittest.Events(t, s.lines.String())
}

// auditRig is a rig whose events are in memory.
func auditRig(t testing.TB, c audit.Config, o rigOptions) (*rig, *trail) {
	t.Helper()
	s := auditInMemory(t, c, &o)
	return newRig(t, o), s
}

// auditInMemory adds events in memory to what a rig is made of.
func auditInMemory(t testing.TB, c audit.Config, o *rigOptions) *trail {
	t.Helper()
	s := &trail{}
	var log *audit.Log
	// After the rig: the log ends behind the server.
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	configure := o.config
	o.config = func(cfg *Config) {
		var err error
		if log, err = audit.NewLog(c, []audit.Output{{Name: "memory", Sink: s}}, cfg.Logger, cfg.Registerer); err != nil {
			t.Fatal(err)
		}
		cfg.Audit = log
		if configure != nil {
			configure(cfg)
		}
	}
	return s
}

// eventOf waits for the event of a request's stage.
func (r *rig) eventOf(t *testing.T, s *trail, requestID, stage string) audittest.Data {
	t.Helper()
	var found *audittest.Event
	r.eventually(stage+" of "+requestID, func() bool {
		for _, e := range s.events(t) {
			if e.Data.RequestID == requestID && e.Data.Stage == stage {
				found = &e
			}
		}
		return found != nil
	})
	if found.ID != found.Data.AuditID+"/"+stage || found.Subject != found.Data.Cluster || !found.Time.Equal(found.Data.StageTimestamp) {
		t.Errorf("event %+v", found)
	}
	return found.Data
}

// named gives a request an id.
func named(req *http.Request, id string) *http.Request {
	req.Header.Set("X-Request-Id", id)
	req.Header.Set("User-Agent", "test/1")
	return req
}

// Every way in has its event.
func TestAuditOfEveryWayIn(t *testing.T) {
	t.Parallel()
	r, s := auditRig(t, audit.Config{}, rigOptions{config: func(c *Config) { c.ClusterDomain = "k8s.example.com" }})
	r.agent("acme", "prod", hello)
	const pods = "/api/v1/namespaces/shop/pods/web?fieldSelector=x"
	r.do(r.h1, named(r.request("GET", "/k8s/clusters/prod.acme"+pods, nil), "path"))
	host := named(r.request("DELETE", "/apis/apps/v1/namespaces/shop/deployments/web/scale", nil), "host")
	host.Host = "prod.acme.k8s.example.com"
	r.do(r.h1, host)
	call := named(r.request("POST", "/v1/clusters/prod.acme/requests", strings.NewReader(`{"path": "`+pods+`"}`)), "call")
	r.do(r.h2, call)
	r.do(r.h2, named(r.request("GET", "/v1/clusters", nil), "list"))
	r.do(r.h2, named(r.request("GET", "/k8s/clusters/prod.acme/version", nil), "version"))

	for id, want := range map[string]struct {
		verb, path, resource string
		status               int
		sent                 int64
	}{
		"path":    {"get", "/api/v1/namespaces/shop/pods/web", "pods", 200, 5},
		"host":    {"delete", "/apis/apps/v1/namespaces/shop/deployments/web/scale", "deployments", 200, 5},
		"call":    {"get", "/api/v1/namespaces/shop/pods/web", "pods", 200, -1},
		"list":    {"get", "/v1/clusters", "", 200, -1},
		"version": {"get", "/version", "", 200, 5},
	} {
		d := r.eventOf(t, s, id, "ResponseComplete")
		if d.Verb != want.verb || d.Path != want.path || d.ResponseStatus.Code != want.status || want.sent >= 0 && d.SentBytes != want.sent {
			t.Errorf("%s: %+v", id, d)
		}
		if d.User.Username != "admin" || d.Authentication.Method != "token" || d.UserAgent != "test/1" || d.SourceIPs[0] != "127.0.0.1" || d.DurationSeconds <= 0 {
			t.Errorf("%s: %+v", id, d)
		}
		if want.resource == "" {
			if d.ObjectRef != nil {
				t.Errorf("%s: %+v", id, d.ObjectRef)
			}
			continue
		}
		if o := d.ObjectRef; o.Resource != want.resource || o.Name != "web" || o.Namespace != "shop" || o.APIVersion != "v1" {
			t.Errorf("%s: %+v", id, o)
		}
		if d.Grant == "" || d.Cluster != "prod.acme" || d.Tenant != "acme" || len(d.Instance) < 8 || d.Annotations["authorization.k8s.io/decision"] != "allow" {
			t.Errorf("%s: %+v", id, d)
		}
	}
	if n := len(s.events(t)); n != 5 {
		t.Errorf("%d events, want one for each request", n)
	}
}

// What is refused or fails has an event that says why, and probes have none.
func TestAuditOfFailures(t *testing.T) {
	t.Parallel()
	r, s := auditRig(t, audit.Config{}, rigOptions{})
	const secret = "/api/v1/namespaces/shop/secrets/db"
	unknown := named(r.request("GET", "/k8s/clusters/prod"+secret, nil), "stranger")
	unknown.Header.Del("Authorization")
	r.do(r.h1, unknown)
	other := named(r.request("GET", "/k8s/clusters/prod"+secret, nil), "other")
	other.Header.Set("Authorization", "Bearer "+r.acme)
	r.do(r.h1, other)
	as := named(r.request("GET", "/k8s/clusters/prod"+secret, nil), "as")
	as.Header.Set("Impersonate-User", "root")
	r.do(r.h1, as)
	r.do(r.h1, named(r.request("GET", "/k8s/clusters/prod"+secret, nil), "offline"))
	r.do(r.h1, named(r.request("GET", "/livez", nil), "probe"))
	for id, want := range map[string]struct{ code, lock string }{
		"stranger": {"unauthenticated", "authentication"}, "other": {"forbidden", "grant"}, "as": {"impersonation", "grant"},
		"offline": {"cluster-never-connected", ""},
	} {
		d := r.eventOf(t, s, id, "ResponseComplete")
		if d.Failure.Code != want.code || d.Failure.Lock != want.lock || d.ResponseStatus.Message == "" || d.ResponseStatus.Code < 400 {
			t.Errorf("%s: %+v", id, d)
		}
		if d.ObjectRef == nil || d.ObjectRef.Resource != "secrets" || d.ObjectRef.Name != "db" || d.Verb != "get" {
			t.Errorf("%s: what was refused: %+v", id, d)
		}
		if decision := d.Annotations["authorization.k8s.io/decision"]; (decision == "forbid") != (want.lock != "") {
			t.Errorf("%s: decision %q", id, decision)
		}
		if (d.User == nil) != (id == "stranger") {
			t.Errorf("%s: user %+v", id, d.User)
		}
	}
	if n := len(s.events(t)); n != 4 {
		t.Errorf("%d events, want 4", n)
	}
}

// A watch and a session have an event when they begin and one when they end.
func TestAuditOfLongRequests(t *testing.T) {
	t.Parallel()
	r, s := auditRig(t, audit.Config{}, rigOptions{})
	end := make(chan struct{})
	r.agent("default", "prod", func(head *subjects.RequestHead, st *stream.Stream) {
		if head.Header.Get("Upgrade") != "" {
			_, _ = st.Write(switchTo("SPDY/3.1"))
			b, _ := io.ReadAll(st)
			_ = st.WriteFinal(b)
			return
		}
		_, _ = st.Write(append(encodeHead(200, -1), "event\n"...))
		<-end
		_ = st.CloseWrite()
	})
	res, err := r.h1.Do(named(r.request("GET", "/k8s/clusters/prod/api/v1/pods?watch=1", nil), "watch"))
	if err != nil {
		t.Fatal(err)
	}
	if d := r.eventOf(t, s, "watch", "ResponseStarted"); d.Verb != "watch" || d.ResponseStatus.Code != 200 || d.Instance == "" {
		t.Errorf("%+v", d)
	}
	close(end)
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if d := r.eventOf(t, s, "watch", "ResponseComplete"); d.SentBytes != 6 {
		t.Errorf("%+v", d)
	}
	c, br := r.raw("POST /k8s/clusters/prod/api/v1/namespaces/shop/pods/web/exec?command=sh&command=-c&command=ls+-l&container=app&stdin=true HTTP/1.1\r\n" +
		"Host: x\r\nAuthorization: Bearer $TOKEN\r\nX-Request-Id: exec\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\nstdin")
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("%v, %v", res, err)
	}
	d := r.eventOf(t, s, "exec", "ResponseStarted")
	if d.Session == nil || strings.Join(d.Session.Command, "|") != "sh|-c|ls -l" || d.Session.Container != "app" || d.ResponseStatus.Code != 101 {
		t.Errorf("%+v", d)
	}
	_ = c.CloseWrite()
	if b, err := io.ReadAll(br); err != nil || string(b) != "stdin" {
		t.Errorf("%q, %v", b, err)
	}
	if d := r.eventOf(t, s, "exec", "ResponseComplete"); d.ReceivedBytes != 5 || d.SentBytes != 5 || d.ObjectRef.Subresource != "exec" || d.Aborted != "" {
		t.Errorf("%+v", d)
	}
}

// What the bridge ends, and what breaks, has an event that says why.
func TestAuditOfEnds(t *testing.T) {
	t.Parallel()
	r, s := auditRig(t, audit.Config{}, rigOptions{})
	r.agent("default", "prod", func(head *subjects.RequestHead, st *stream.Stream) {
		_, _ = st.Write(append(encodeHead(200, -1), "event\n"...))
		if strings.Contains(head.Target, "break") {
			st.Reset(subjects.CodeUpstream, "the connection to the API server broke")
			return
		}
		<-st.Context().Done()
	})
	for id, path := range map[string]string{"revoked": "/api/v1/pods?watch=1", "broken": "/api/v1/namespaces/a/pods/break/log?follow=1"} {
		res, err := r.h1.Do(named(r.request("GET", "/k8s/clusters/prod"+path, nil), id))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
	}
	d := r.eventOf(t, s, "broken", "ResponseComplete")
	if d.Aborted == "" || d.Revoked != "" || d.ResponseStatus.Code != 200 {
		t.Errorf("broken: %+v", d)
	}
	r.eventOf(t, s, "revoked", "ResponseStarted")
	r.writeTokens()
	d = r.eventOf(t, s, "revoked", "ResponseComplete")
	if !strings.Contains(d.Revoked, "revoked") || d.ResponseStatus.Code != 200 {
		t.Errorf("revoked: %+v", d)
	}
}

// Where audit is required, a request's event is on the disk before the agent gets it,
// and the request fails where that cannot be.
func TestRequiredAudit(t *testing.T) {
	t.Parallel()
	r, s := auditRig(t, audit.Config{Required: true}, rigOptions{})
	type seen struct {
		events []audittest.Event
		synced bool
	}
	got := make(chan seen, 1)
	r.agent("default", "prod", func(_ *subjects.RequestHead, st *stream.Stream) {
		events := s.events(t)
		s.mu.Lock()
		synced := s.synced == s.lines.Len()
		s.mu.Unlock()
		got <- seen{events, synced}
		reply(st, 404, "")
	})
	for _, tt := range []struct {
		method, path, body string
		sync               bool
	}{
		{"POST", "/k8s/clusters/prod/api/v1/namespaces/shop/pods", "{}", true},
		{"GET", "/k8s/clusters/prod/api/v1/namespaces/shop/pods", "", false},
		{"GET", "/k8s/clusters/prod/api/v1/namespaces/shop/pods/web/exec?command=sh", "", true},
		{"GET", "/k8s/clusters/prod/api/v1/namespaces/shop/services/web/proxy/x", "", true},
		{"POST", "/v1/clusters/prod/requests", `{"path": "/api/v1/pods"}`, false},
		{"POST", "/v1/clusters/prod/requests", `{"path": "/api/v1/pods", "method": "DELETE"}`, true},
	} {
		before := len(s.events(t))
		r.do(r.h1, r.request(tt.method, tt.path, strings.NewReader(tt.body)))
		saw := within(t, "the agent gets the request", 10*time.Second, got)
		if n := len(saw.events); n != before+1 || saw.events[n-1].Data.Stage != "RequestReceived" || saw.synced != tt.sync {
			t.Errorf("%s %s: the agent got it with %d new events, synced: %v", tt.method, tt.path, n-before, saw.synced)
		}
		if n := len(s.events(t)); n != before+2 {
			t.Errorf("%s %s: the caller has the response, and there are %d new events, want 2", tt.method, tt.path, n-before)
		}
	}
	s.fail(&os.PathError{Op: "write", Path: "/var/log/audit.log", Err: syscall.ENOSPC})
	for _, req := range []*http.Request{
		r.request("POST", "/k8s/clusters/prod/api/v1/namespaces/shop/pods", strings.NewReader("{}")),
		r.request("GET", "/k8s/clusters/prod/api/v1/namespaces/shop/pods", nil),
		r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"path": "/api/v1/pods"}`)),
	} {
		res, body := r.do(r.h1, req)
		if res.StatusCode != 503 || res.Header.Get(answer.Header) != "audit-unavailable" || !strings.Contains(body, "no space left on device") || strings.Contains(body, "/var/log") {
			t.Errorf("%s %s: %d %s", req.Method, req.URL, res.StatusCode, body)
		}
		if res.Header.Get("Retry-After") != "" {
			t.Error("clients would repeat it for minutes and show nothing")
		}
	}
	if len(got) > 0 {
		t.Error("a request without an event was executed")
	}
	s.fail(nil)
	r.do(r.h1, r.request("GET", "/k8s/clusters/prod/api", nil))
	<-got
	if n := r.metric("fairlead_bridge_audit_events_total"); n != float64(len(s.events(t)))+6 {
		t.Errorf("%v events are counted", n)
	}
}

// BenchmarkUnaryAudited is [BenchmarkUnary] with audit.
func BenchmarkUnaryAudited(b *testing.B) {
	for name, c := range map[string]audit.Config{
		"optional": {}, "required": {Required: true},
	} {
		b.Run(name, func(b *testing.B) {
			for _, method := range []string{"GET", "PUT"} {
				b.Run(method, func(b *testing.B) { benchmarkAudited(b, c, method) })
			}
		})
	}
}

func benchmarkAudited(b *testing.B, c audit.Config, method string) {
	c.File = &audit.FileConfig{Path: filepath.Join(b.TempDir(), "audit.log")}
	log, err := audit.New(c, nil, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = log.Close() })
	r := newRig(b, rigOptions{plain: true, config: func(cfg *Config) { cfg.Audit = log }})
	r.agent("default", "prod", hello)
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			fetch(b, r, method, nil, 0)
		}
	})
}
