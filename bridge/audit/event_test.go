package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/audit/audittest"
	"github.com/fairlead-io/fairlead/subjects"
)

// execRequest is the request of the example in docs/access-audit.md.
func execRequest() *Request {
	const target = "/api/v1/namespaces/shop/pods/web-0/exec?command=sh&command=-c&command=ls+%2Fsrv&container=app&stdin=true"
	r := httptest.NewRequest("GET", "/k8s/clusters/prod.acme"+target, nil)
	r.RemoteAddr = "10.1.0.7:50412"
	q := &Request{log: &Log{reads: true, head: headOf("urn:fairlead:bridge:bridge-0"), whos: newWhos()}, r: r, userAgent: "kubectl/v1.34.1", upgrade: true}
	copy(q.id[:], "5f0c1e6a9b7d4c2e8a3f6b1d0e9c8a7b")
	start := time.Date(2026, 11, 28, 9, 15, 2, 123456000, time.UTC)
	q.rec = &answer.Record{
		ID: "2d1f0b9c8e7a6d5c4b3a291817161514", Start: start, Cluster: "prod.acme", Tenant: "acme",
		Caller: "gitlab:acme/shop", UID: "4711", Groups: []string{"gitlab:acme"},
		Method: string(access.MethodOIDC), Issuer: "gitlab", Grant: "shop-deploy",
		As:      &subjects.Identity{User: "gitlab:acme/shop", Groups: []string{"fairlead:ci"}, Extra: map[string][]string{"fairlead.io/job": {"998877"}}},
		Request: &access.Request{Method: "GET", Target: target}, Target: target,
		Instance: "a7k2m9x4q1w8e5r3", Remote: "203.0.113.9", Status: 101, Received: 412, Sent: 18231,
	}
	return q
}

// TestExampleInTheDocument: what the document shows is what a bridge writes.
func TestExampleInTheDocument(t *testing.T) {
	q := execRequest()
	got := string(q.append(nil, StageComplete, q.rec.Start.Add(73*time.Second+500*time.Millisecond)))
	audittest.Events(t, got)
	doc, err := os.ReadFile("../../docs/access-audit.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), "```json\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("the document has no example")
	}
	var want, have any
	if err := errors.Join(json.Unmarshal([]byte(text), &want), json.Unmarshal([]byte(got), &have)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(want, have) {
		var b bytes.Buffer
		_ = json.Indent(&b, []byte(got), "", "  ")
		t.Errorf("the document differs from what is written:\n%s", b.String())
	}
}

// Whatever a caller, its issuer, an agent or an API server says, an event fits the
// schema, is bounded, and marks what was cut.
func TestEventsAreBounded(t *testing.T) {
	long := strings.Repeat("é\x00\"", 100<<10)
	many := make([]string, 1000)
	extra := map[string][]string{}
	for i := range many {
		many[i] = long
		extra[strings.Repeat("k", i)] = many[:100]
	}
	q := execRequest()
	q.userAgent = long
	q.rec.ID, q.rec.Cluster, q.rec.Tenant, q.rec.Caller, q.rec.UID, q.rec.Issuer, q.rec.Grant, q.rec.Instance = long, long, long, long, long, long, long, long
	q.rec.Groups, q.rec.Extra = many, extra
	q.rec.As = &subjects.Identity{User: long, UID: long, Groups: many, Extra: extra}
	q.rec.Remote, q.r.RemoteAddr = long, "pipe"
	q.rec.Failure = answer.Failf(answer.Refused, "%s", long)
	q.rec.Revoked, q.rec.Aborted = q.rec.Failure, errors.New(long)
	q.rec.Target = "/api/v1/namespaces/shop/pods/web-0/exec?container=" + strings.Repeat("c", 9999) +
		strings.Repeat("&command="+strings.Repeat("x", 1000), 1000) + strings.Repeat("&command=", 10000) + "&ports=1,2,70000,x&ports=2&ports=3"
	q.rec.Request = &access.Request{Method: "GET", Target: strings.Replace(q.rec.Target, "web-0", strings.Repeat("n", 4000), 1)}
	for _, stage := range []Stage{StageReceived, StageStarted, StageComplete} {
		line := string(q.append(nil, stage, time.Now()))
		events := audittest.Events(t, line)
		if len(events) != 1 || !events[0].Data.Truncated || strings.Count(line, "\n") != 1 {
			t.Errorf("%s: %d events", stage, len(events))
		}
		s := events[0].Data.Session
		size := 0
		for _, arg := range s.Command {
			size += len(arg)
		}
		if size == 0 || size > maxCommand || len(line) > 256<<10 || !reflect.DeepEqual(s.Ports, []int{1, 2, 3}) {
			t.Errorf("%s: a command of %d bytes, ports %v", stage, size, s.Ports)
		}
		t.Logf("%s: %d KiB", stage, len(line)>>10)
	}
}

// No part of a query but the command, container and ports of a session is in an event.
func TestQueriesStayOut(t *testing.T) {
	for target, want := range map[string]bool{
		"/api/v1/namespaces/a/pods/b/exec?command=MARK":              true,
		"/api/v1/namespaces/a/pods/b/attach?container=MARK":          true,
		"/api/v1/namespaces/a/pods/b/exec?token=MARK&command=sh":     false,
		"/api/v1/namespaces/a/pods/b/exec?Command=MARK":              false,
		"/api/v1/namespaces/a/pods/b/log?container=MARK":             false,
		"/api/v1/pods?command=MARK&labelSelector=MARK":               false,
		"/apis/x.io/v1/namespaces/a/pods2/b/exec?command=MARK":       false,
		"/api/v1/namespaces/a/services/b/proxy/exec?command=MARK":    false,
		"/api/v1/namespaces/a/pods/b/proxy/exec?command=MARK&x=MARK": false,
		"/version?x=MARK": false,
	} {
		q := execRequest()
		q.rec.Target, q.rec.Request = target, &access.Request{Method: "GET", Target: target}
		line := string(q.append(nil, StageComplete, time.Now()))
		audittest.Events(t, line)
		if strings.Contains(line, "MARK") != want {
			t.Errorf("%s: %s", target, line)
		}
	}
}

func BenchmarkEvent(b *testing.B) {
	get := execRequest()
	get.upgrade, get.rec.Target = false, "/api/v1/namespaces/shop/pods/web-0"
	get.rec.Request = &access.Request{Method: "GET", Target: get.rec.Target}
	for name, q := range map[string]*Request{"get": get, "exec": execRequest()} {
		b.Run(name, func(b *testing.B) { benchmarkEvent(b, q) })
	}
}

func benchmarkEvent(b *testing.B, q *Request) {
	l, err := NewLog(Config{}, []Output{{"memory", discard{}}}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	rec := new(answer.Record)
	b.ReportAllocs()
	for b.Loop() {
		*rec = *q.rec
		l.Follow(q.r, rec).End()
	}
}

// BenchmarkAppend is the part of [BenchmarkEvent] that does not depend on a sink.
func BenchmarkAppend(b *testing.B) {
	q := execRequest()
	q.upgrade, q.rec.Target = false, "/api/v1/namespaces/shop/pods/web-0"
	q.rec.Request = &access.Request{Method: "GET", Target: q.rec.Target}
	line := q.append(nil, StageComplete, time.Now())
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		line = q.append(line[:0], StageComplete, time.Now())
	}
}

// discard is a sink that takes everything.
type discard struct{}

func (discard) Write([]byte, bool) error { return nil }

func (discard) Tick(time.Time) error { return nil }

func (discard) Close() error { return nil }
