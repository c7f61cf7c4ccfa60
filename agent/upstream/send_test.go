package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/agenttest"
)

// offering starts a server with TLS that offers protocols, and counts its requests by the
// major version of HTTP.
func offering(t *testing.T, handle http.HandlerFunc, protocols ...string) (u *Client, by *[3]atomic.Int32) {
	t.Helper()
	by = new([3]atomic.Int32)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		by[r.ProtoMajor].Add(1)
		if handle != nil {
			handle(w, r)
		}
	}))
	s.TLS = &tls.Config{NextProtos: protocols}
	s.EnableHTTP2 = len(protocols) > 0 && protocols[0] == "h2"
	s.StartTLS()
	s.TLS.NextProtos = protocols // httptest sets its own
	t.Cleanup(s.Close)
	u, err := New(agenttest.ConfigFor(s), agenttest.Discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u, by
}

func send(t *testing.T, u *Client, method, target, body string) *http.Response {
	t.Helper()
	at, err := u.Target(target)
	if err != nil {
		t.Fatal(err)
	}
	req := (&http.Request{Method: method, URL: at, Host: u.Host(), Header: http.Header{}}).WithContext(t.Context())
	if body != "" {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	resp, err := u.RoundTrip(req, false)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// TestReadsGoOverHTTP1: what only reads and is over soon, where the server agrees to both.
func TestReadsGoOverHTTP1(t *testing.T) {
	for _, test := range []struct {
		name, method, target, body string
		protocols                  []string
		want                       int
	}{
		{"get", "GET", "/api/v1/pods", "", []string{"h2", "http/1.1"}, 1},
		{"head", "HEAD", "/api/v1/pods", "", []string{"h2", "http/1.1"}, 1},
		{"watch", "GET", "/api/v1/pods?watch=1", "", []string{"h2", "http/1.1"}, 2},
		{"log", "GET", "/api/v1/namespaces/a/pods/b/log?follow=true", "", []string{"h2", "http/1.1"}, 2},
		{"post", "POST", "/api/v1/pods", "x", []string{"h2", "http/1.1"}, 2},
		{"delete", "DELETE", "/api/v1/pods", "", []string{"h2", "http/1.1"}, 2},
		{"get with a body", "GET", "/api/v1/pods", "x", []string{"h2", "http/1.1"}, 2},
		{"get of a server with HTTP/2 alone", "GET", "/api/v1/pods", "", []string{"h2"}, 2},
		{"get of a server without HTTP/2", "GET", "/api/v1/pods", "", []string{"http/1.1"}, 1},
		{"watch of a server without HTTP/2", "GET", "/api/v1/pods?watch=1", "", []string{"http/1.1"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, by := offering(t, nil, test.protocols...)
			for range 3 {
				_ = send(t, u, test.method, test.target, test.body).Body.Close()
			}
			if n := by[test.want].Load(); n != 3 {
				t.Errorf("%d of 3 requests were made over HTTP/%d", n, test.want)
			}
		})
	}
}

// TestManyReadsShareHTTP2: beyond maxReads at a time they take no connection each.
func TestManyReadsShareHTTP2(t *testing.T) {
	const more = 20
	ctx, answer := context.WithCancel(t.Context())
	defer answer()
	u, by := offering(t, func(http.ResponseWriter, *http.Request) { <-ctx.Done() }, "h2", "http/1.1")
	var all sync.WaitGroup
	for range maxReads + more {
		all.Go(func() { _ = send(t, u, "GET", "/api/v1/pods", "").Body.Close() })
	}
	agenttest.WaitFor(t, "all to be asked at the same time", func() bool { return by[1].Load()+by[2].Load() == maxReads+more })
	answer()
	all.Wait()
	if one, two := by[1].Load(), by[2].Load(); one != maxReads || two != more {
		t.Errorf("%d requests over HTTP/1.1 and %d over HTTP/2, want %d and %d", one, two, maxReads, more)
	}
}

// TestReadsGoOnOverHTTP2: where no other connection can be made, those of HTTP/2 go on.
func TestReadsGoOnOverHTTP2(t *testing.T) {
	u, by := offering(t, nil, "h2", "http/1.1")
	_ = send(t, u, "POST", "/api/v1/pods", "x").Body.Close()
	refused := errors.New("no more connections")
	dials := 0
	u.dialer = func(context.Context, string, string) (net.Conn, error) { dials++; return nil, refused }
	for range 3 {
		_ = send(t, u, "GET", "/api/v1/pods", "").Body.Close()
	}
	if n := by[2].Load(); n != 4 || dials != 1 {
		t.Errorf("%d of 4 requests over HTTP/2, and %d attempts to connect, want 1", n, dials)
	}
}

// TestPluginsDialerHidesSockets: connections that cannot be looked at are left to net/http.
func TestPluginsDialerHidesSockets(t *testing.T) {
	config := &rest.Config{Host: "https://a.example"}
	for _, dialer := range []bool{false, true} {
		if dialer {
			config.Dial = (&net.Dialer{}).DialContext
		}
		u, err := New(config, agenttest.Discard())
		if err != nil {
			t.Fatal(err)
		}
		if (u.reads == nil) != dialer || (u.own == nil) != dialer {
			t.Errorf("with a dialer %v: own %v, reads %v", dialer, u.own, u.reads)
		}
	}
}

// TestReadsOverHTTP2: an owner may want no connections beside those of HTTP/2. Without HTTP/2
// nothing changes.
func TestReadsOverHTTP2(t *testing.T) {
	for want, protocols := range map[int][]string{2: {"h2", "http/1.1"}, 1: {"http/1.1"}} {
		u, by := offering(t, nil, protocols...)
		u.ReadsOverHTTP2()
		for range 3 {
			_ = send(t, u, "GET", "/api/v1/pods", "").Body.Close()
		}
		if n := by[want].Load(); n != 3 {
			t.Errorf("%v: %d of 3 requests were made over HTTP/%d", protocols, n, want)
		}
	}
}
