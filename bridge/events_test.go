package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/subjects"
)

// sse is one server-sent event, or a comment.
type sse struct {
	id, name, data, retry string
}

// eventStream reads a stream of events.
type eventStream struct {
	t    *testing.T
	body *bufio.Reader
	id   string // the last one, as a browser keeps it
}

// stream opens a stream with a token, and reads its first block, which says when to come
// back.
func (r *rig) stream(t *testing.T, c *http.Client, token, query, lastID string) *eventStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	req, err := http.NewRequestWithContext(ctx, "GET", r.url+"/v1/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = res.Body.Close()
	})
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("X-Accel-Buffering") != "no" || res.Header.Get("Cache-Control") != "no-store" {
		body, _ := io.ReadAll(res.Body)
		t.Fatalf("%s, %v: %s", res.Status, res.Header, body)
	}
	s := &eventStream{t: t, body: bufio.NewReader(res.Body), id: lastID}
	if first, err := s.next(); err != nil || first.retry == "" {
		t.Fatalf("begins with %+v, %v", first, err)
	}
	return s
}

// next reads one block.
func (s *eventStream) next() (e sse, err error) {
	s.t.Helper()
	for {
		line, err := s.body.ReadString('\n')
		if err != nil {
			return e, err
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch key {
		case "id":
			e.id, s.id = value, value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "retry":
			e.retry = value
		case "":
			if line == "\n" {
				return e, nil
			}
		default:
			return e, fmt.Errorf("line %q", line)
		}
	}
}

// event reads the next event of a cluster.
func (s *eventStream) event() api.Event {
	s.t.Helper()
	for {
		e, err := s.next()
		if err != nil {
			s.t.Fatal(err)
		}
		if e.data == "" {
			continue
		}
		var v api.Event
		if err := json.Unmarshal([]byte(e.data), &v); err != nil || v.ID != e.id || string(v.Type) != e.name {
			s.t.Fatalf("%+v: %v", e, err)
		}
		return v
	}
}

func note(t *testing.T, l events.Log, tenant, cluster string, typ api.EventType) {
	t.Helper()
	if err := l.Append(t.Context(), api.Event{Type: typ, Tenant: tenant, Cluster: cluster, Detail: "line\r\ndata: forged"}, ""); err != nil {
		t.Fatal(err)
	}
}

// TestEventStream: events come as they happen, to callers who may know of the cluster, and
// a client that comes back gets what it has missed.
func TestEventStream(t *testing.T) {
	t.Parallel()
	log := events.NewMemory()
	r := newRig(t, rigOptions{config: func(c *Config) { c.Events = log }})
	r.both(t, func(t *testing.T, c *http.Client) {
		note(t, log, "acme", "before", api.EventClusterConnected)
		admin, acme := r.stream(t, c, r.token, "", ""), r.stream(t, c, r.acme, "", "")
		typed := r.stream(t, c, r.token, "?type=operation.*&type=version.skew&cluster=prod.acme", "")
		note(t, log, "default", "prod", api.EventClusterConnected)
		note(t, log, "acme", "prod", api.EventClusterConnected)
		note(t, log, "acme", "prod", api.EventOperationFailed)
		for _, want := range []string{"prod cluster.connected", "prod.acme cluster.connected", "prod.acme operation.failed"} {
			if e := admin.event(); e.Name+" "+string(e.Type) != want || strings.ContainsAny(e.Detail, "\r\n") {
				t.Errorf("got %+v, want %s", e, want)
			}
		}
		first := acme.event()
		if first.Name != "prod.acme" {
			t.Errorf("acme got %+v", first)
		}
		if e := typed.event(); e.Type != api.EventOperationFailed {
			t.Errorf("got %+v", e)
		}
		again := r.stream(t, c, r.acme, "?after=oldest", first.ID)
		if e := again.event(); e.Type != api.EventOperationFailed {
			t.Errorf("after %s came %+v", first.ID, e)
		}
		if e := r.stream(t, c, r.acme, "?after="+first.ID, "").event(); e.Type != api.EventOperationFailed {
			t.Errorf("after %s came %+v", first.ID, e)
		}
		foreign := r.stream(t, c, r.acme, "", "1-1")
		if e, err := foreign.next(); err != nil || e.name != "reset" {
			t.Errorf("from another log: %+v, %v", e, err)
		}
		if e := foreign.event(); e.Name != "before.acme" {
			t.Errorf("after a reset: %+v", e)
		}
	})
	r.eventually("all streams to end", func() bool { return r.metric("fairlead_bridge_event_streams") == 0 })
}

// TestEventsPage: the same as JSON, page by page; and what cannot be asked.
func TestEventsPage(t *testing.T) {
	t.Parallel()
	log := events.NewMemory()
	r := newRig(t, rigOptions{config: func(c *Config) { c.Events = log }})
	for i := range 10 {
		note(t, log, []string{"acme", "default"}[i%2], fmt.Sprintf("c%d", i), api.EventClusterConnected)
	}
	get := func(token, query string) (list api.EventList) {
		req := r.request("GET", "/v1/events?follow=false"+query, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		res, body := r.do(r.h1, req)
		if err := json.Unmarshal([]byte(body), &list); err != nil || res.StatusCode != 200 {
			t.Fatalf("%s: %s", res.Status, body)
		}
		return list
	}
	all := get(r.token, "&limit=7")
	rest := get(r.token, "&limit=7&after="+all.Next)
	if len(all.Events) != 7 || !all.More || len(rest.Events) != 3 || rest.More || rest.Reset || rest.Events[0].Cluster != "c7" {
		t.Errorf("got %+v, then %+v", all, rest)
	}
	if own := get(r.acme, "&limit=3"); len(own.Events) != 3 || own.Events[2].Name != "c4.acme" || !own.More {
		t.Errorf("acme got %+v", own)
	}
	if other := get(r.acme, "&tenant=default"); other.Events == nil || len(other.Events) != 0 || other.More {
		t.Errorf("acme got %+v", other)
	}
	for query, kind := range map[string]*answer.Kind{
		"?tenant=a.b": answer.BadRequest, "?tenant=a&tenant=b": answer.BadRequest, "?cluster=A": answer.BadClusterName, "?type=nonsense": answer.BadRequest,
		"?type=*": answer.BadRequest, "?follow=perhaps": answer.BadRequest, "?limit=2": answer.BadRequest, "?follow=true&limit=2": answer.BadRequest, "?limit=0": answer.BadRequest, "?limit=1001": answer.BadRequest, "?limit=x": answer.BadRequest,
		"?after=x": answer.BadRequest, "?after=" + strings.Repeat("9", 500): answer.BadRequest, "?nonsense=1": answer.BadRequest, "?%zz": answer.BadRequest, "?a;b": answer.BadRequest,
		"?" + strings.Repeat("type=version.skew&", 101): answer.BadRequest, "?tenant=" + strings.Repeat("x", 40<<10): answer.BadRequest,
	} {
		res, body := r.do(r.h1, r.request("GET", "/v1/events"+query, nil))
		wantFailure(t, res, body, kind)
	}
	res, body := r.do(r.h1, r.request("HEAD", "/v1/events", nil))
	if res.StatusCode != 200 || body != "" || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %s %v %q", res.Status, res.Header, body)
	}
	req := r.request("GET", "/v1/events", nil)
	req.Header.Set("Authorization", "Bearer nonsense")
	res, body = r.do(r.h1, req)
	wantFailure(t, res, body, answer.Unauthenticated)
}

// grantsFor lets callers know of the clusters of one tenant, which may change.
type grantsFor struct {
	access.TokenClusters
	tenant string
}

func (g grantsFor) Visible(_ *access.Caller, ref subjects.ClusterRef) bool {
	return ref.Tenant == g.tenant
}

// TestEventsFollowTheGrants: a stream goes on with what the caller may know of by the
// rules of now, and ends with its credential.
func TestEventsFollowTheGrants(t *testing.T) {
	t.Parallel()
	log := events.NewMemory()
	who := &leased{lease: access.NewLease(), asked: make(chan struct{})}
	var rules atomic.Pointer[access.Rules]
	rules.Store(&access.Rules{Authenticator: who, Authorizer: grantsFor{tenant: "acme"}})
	r := newRig(t, rigOptions{config: func(c *Config) { c.Events, c.Rules = log, rules.Load }})
	s := r.stream(t, r.h2, r.token, "", "")
	note(t, log, "acme", "one", api.EventClusterConnected)
	note(t, log, "lab", "two", api.EventClusterConnected)
	note(t, log, "acme", "last", api.EventClusterConnected) // the one before it has been decided about once it comes
	for _, want := range []string{"one.acme", "last.acme"} {
		if e := s.event(); e.Name != want {
			t.Errorf("got %+v, want %s", e, want)
		}
	}
	rules.Store(&access.Rules{Authenticator: who, Authorizer: grantsFor{tenant: "lab"}})
	note(t, log, "acme", "three", api.EventClusterConnected)
	note(t, log, "lab", "four", api.EventClusterConnected)
	if e := s.event(); e.Name != "four.lab" {
		t.Errorf("got %+v", e)
	}
	who.lease.End(nil)
	wantEnd(t, s, answer.Unauthenticated)
}

// wantEnd reads the end of a stream.
func wantEnd(t *testing.T, s *eventStream, kind *answer.Kind) {
	t.Helper()
	e, err := s.next()
	for err == nil && e.name == "" {
		e, err = s.next()
	}
	var end api.EventsEnd
	if err != nil || e.name != "end" || json.Unmarshal([]byte(e.data), &end) != nil || end.Code != kind.Code || end.Detail == "" || e.id == "" {
		t.Errorf("ends with %+v, %v, want %s", e, err, kind.Code)
	}
	if _, err := s.next(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

// TestDrainEndsEventStreams: clients are told to come back, to another bridge.
func TestDrainEndsEventStreams(t *testing.T) {
	t.Parallel()
	log := events.NewMemory()
	r := newRig(t, rigOptions{config: func(c *Config) { c.Events = log }})
	all := []*eventStream{r.stream(t, r.h1, r.token, "", ""), r.stream(t, r.h2, r.token, "", "")}
	note(t, log, "acme", "prod", api.EventClusterConnected)
	for _, s := range all {
		s.event()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- r.server.Drain(ctx) }()
	for _, s := range all {
		wantEnd(t, s, answer.Stopping)
	}
	if err := within(t, "drain", 5*time.Second, drained); err != nil {
		t.Error(err)
	}
}
