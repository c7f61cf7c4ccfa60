package bridge

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func TestDrainLetsRunningRequestsEnd(t *testing.T) {
	r := newRig(t, rigOptions{})
	began, finish := make(chan struct{}), make(chan struct{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		close(began)
		<-finish
		reply(s, 200, "done")
	})
	answered := make(chan string, 1)
	go func() {
		_, body := r.do(r.h1, r.request("POST", "/k8s/clusters/prod/x", strings.NewReader("x")))
		answered <- body
	}()
	within(t, "the request runs", 5*time.Second, began)
	drained := make(chan error, 1)
	go func() { drained <- r.server.Drain(t.Context()) }()
	r.eventually("no new connections are taken", func() bool {
		c := r.client(false)
		defer c.CloseIdleConnections()
		res, err := c.Do(r.request("GET", "/openapi.yaml", nil))
		if err == nil {
			_ = res.Body.Close()
		}
		return err != nil
	})
	if !r.server.Draining() {
		t.Error("Draining is false")
	}
	close(finish)
	if body := within(t, "the running request is answered", 5*time.Second, answered); body != "done" {
		t.Errorf("got %q", body)
	}
	if err := within(t, "Drain returns", 5*time.Second, drained); err != nil {
		t.Errorf("Drain: %v", err)
	}
}

func TestDrainCutsWhatTakesTooLong(t *testing.T) {
	r := newRig(t, rigOptions{})
	ended := make(chan struct{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(encodeHead(200, -1))
		<-s.Context().Done()
		close(ended)
	})
	res, err := r.h2.Do(r.request("GET", "/k8s/clusters/prod/x?follow=true", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.server.Drain(ctx); err == nil {
		t.Error("Drain does not tell that something was cut")
	}
	within(t, "the agent's stream ends", 5*time.Second, ended)
	if _, err := res.Body.Read(make([]byte, 1)); err == nil || err.Error() == "EOF" {
		t.Errorf("the watch ended with %v, want that it looks broken", err)
	}
}

func TestAccessLogAndMetrics(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", hello)
	req := r.request("GET", "/k8s/clusters/prod/api/v1/namespaces/x/pods/y/exec?command=secret", nil)
	req.Header.Set("X-Request-Id", "id-1")
	r.do(r.h1, req)
	_, _ = r.do(r.h1, r.request("GET", "/k8s/clusters/nobody/x", nil))
	r.eventually("both are logged", func() bool { return strings.Count(r.log.String(), "msg=request") == 2 })
	lines := strings.Split(r.log.String(), "\n")
	var ok, failed string
	for _, l := range lines {
		switch {
		case strings.Contains(l, "request_id=id-1"):
			ok = l
		case strings.Contains(l, "failure=cluster-never-connected"):
			failed = l
		}
	}
	for _, want := range []string{"level=DEBUG", "method=GET", "status=200", "caller=admin", "cluster=prod", "sent=5", "/pods/y/exec"} {
		if !strings.Contains(ok, want) {
			t.Errorf("log line %q lacks %s", ok, want)
		}
	}
	if !strings.Contains(failed, "level=INFO") || !strings.Contains(failed, "status=503") {
		t.Errorf("log line of a failure %q", failed)
	}
	if strings.Contains(r.log.String(), "command=secret") {
		t.Error("a query is in the log")
	}
	for name, want := range map[string]float64{
		"fairlead_bridge_requests_total": 2, "fairlead_bridge_failures_total": 1, "fairlead_bridge_requests_in_flight": 0,
		"fairlead_bridge_request_duration_seconds": 2, "fairlead_bridge_connected_clusters": 1, "fairlead_bridge_streams": 0,
	} {
		r.eventually(name, func() bool { return r.metric(name) == want })
	}
}

func TestConfigIsChecked(t *testing.T) {
	r := newRig(t, rigOptions{})
	for url, ok := range map[string]bool{
		"": true, "https://h": true, "http://h:8080/": true, "https://h/a/b": true,
		"h": false, "ftp://h": false, "https://u:p@h": false, "https://h?x": false, "https://": false, "https://h/#f": false,
	} {
		_, err := New(Config{Tenants: r.pool, Authenticator: r.server.cfg.Authenticator, PublicURL: url})
		if (err == nil) != ok {
			t.Errorf("public URL %q: %v", url, err)
		}
	}
	if _, err := New(Config{Authenticator: r.server.cfg.Authenticator}); err == nil {
		t.Error("no tenants: no error")
	}
	if _, err := New(Config{Tenants: r.pool}); err == nil {
		t.Error("no authenticator: no error")
	}
}

func TestHTTPServerHasBounds(t *testing.T) {
	s := newRig(t, rigOptions{}).server.http
	if s.ReadHeaderTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 || s.WriteTimeout != 0 || s.ReadTimeout != 0 {
		t.Errorf("bounds %+v: headers and idle connections have some, exchanges none", s)
	}
}
