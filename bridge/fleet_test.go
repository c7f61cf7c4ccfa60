package bridge

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/ndjson"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// fleetLines is what a fleet call answered: the lines by cluster, and the summary.
type fleetLines struct {
	of      map[string]api.FleetLine
	order   []string
	summary *api.FleetSummary
}

// fleet makes a fleet call and reads all of it.
func (r *rig) fleet(body string) fleetLines {
	r.t.Helper()
	res, err := r.h1.Do(r.request("POST", "/v1/requests", strings.NewReader(body)))
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != ndjson.ContentType {
		b, _ := io.ReadAll(res.Body)
		r.t.Fatalf("%s: %s %s", body, res.Status, b)
	}
	return r.readFleet(res.Body)
}

func (r *rig) readFleet(body io.Reader) fleetLines {
	r.t.Helper()
	got := fleetLines{of: map[string]api.FleetLine{}}
	lines := bufio.NewReader(body)
	for {
		text, err := lines.ReadBytes('\n')
		if err == io.EOF && len(text) == 0 {
			return got
		}
		if err != nil {
			r.t.Fatalf("%q: %v", text, err)
		}
		var l api.FleetLine
		if err := json.Unmarshal(text, &l); err != nil {
			r.t.Fatalf("%q: %v", text, err)
		}
		if got.summary != nil {
			r.t.Fatalf("a line behind the summary: %s", text)
		}
		if got.summary = l.Summary; l.Summary == nil {
			if _, twice := got.of[l.Cluster]; twice {
				r.t.Fatalf("two lines of %s", l.Cluster)
			}
			got.of[l.Cluster] = l
			got.order = append(got.order, l.Cluster)
		}
	}
}

// TestFleetCall: what each cluster of a list answers, and the summary.
func TestFleetCall(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{clusters: []string{"listed"}})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		reply(s, 200, `{"of":"`+head.Method+" "+head.Target+`"}`, "Content-Type", "application/json", "Etag", "7")
	})
	r.agent("acme", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		reply(s, 404, "no \xff", "Content-Type", "text/plain")
	})
	got := r.fleet(`{"clusters": ["prod", "prod.acme", "staging", "other.lab", "prod.nobody", "Ä b"], "method": "PATCH", "path": "/api/v1/x?y=z", "responseHeaders": ["etag"], "body": {"a": 1}}`)
	if l := got.of["prod"]; l.Status != 200 || string(l.Body) != `{"of":"PATCH /api/v1/x?y=z"}` || fmt.Sprint(l.Headers) != "map[Etag:[7]]" || l.Problem != nil {
		t.Errorf("prod: %+v", l)
	}
	if l := got.of["prod.acme"]; l.Status != 404 || string(l.BodyBase64) != "no \xff" || l.Problem != nil {
		t.Errorf("prod.acme: %+v", l)
	}
	for name, code := range map[string]string{
		"staging": "cluster-never-connected", "other.lab": "unknown-cluster", "prod.nobody": "unknown-cluster", "Ä b": "bad-cluster-name",
	} {
		l := got.of[name]
		if l.Problem == nil || l.Problem.Code != code || l.Problem.Cluster != name && code != "bad-cluster-name" || l.Status != 0 || l.Problem.RequestID == "" {
			t.Errorf("%s: %+v %+v", name, l, l.Problem)
		}
		if _, err := time.ParseDuration(l.Duration); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := got.summary
	if s == nil || s.Total != 6 || !s.Complete || fmt.Sprint(s.Responses) != "map[2xx:1 4xx:1]" ||
		fmt.Sprint(s.Failed) != "map[bad-cluster-name:1 cluster-never-connected:1 unknown-cluster:2]" || s.Problem != nil || s.NotBegun != nil {
		t.Errorf("summary %+v", s)
	}
}

// TestFleetCallIsAdmittedByCluster: a caller gets of a cluster that it may not see what it
// gets of a name that nobody has.
func TestFleetCallIsAdmittedByCluster(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", hello)
	r.agent("acme", "prod", hello)
	r.token = r.acme
	got := r.fleet(`{"clusters": ["prod", "nobody", "prod.acme"], "path": "/version"}`)
	text := func(name string) string {
		p := got.of[name].Problem
		if p == nil || p.Code != "forbidden" {
			t.Fatalf("%s: %+v", name, got.of[name])
		}
		return strings.ReplaceAll(p.Detail, name, "X")
	}
	if text("prod") != text("nobody") {
		t.Errorf("%q, %q", text("prod"), text("nobody"))
	}
	if got.of["prod.acme"].Status != 200 || got.summary.Failed["forbidden"] != 2 {
		t.Errorf("%+v", got)
	}
}

// TestFleetCallIsRefused: what is wrong with a body is said before anything is sent.
func TestFleetCallIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	many := `"c` + strings.Repeat(`","c`, 5000) + `"`
	for body, want := range map[string]string{
		``:                                     "the body is empty",
		`[]`:                                   "cannot be read",
		`{"path": "/version"}`:                 "clusters: none given",
		`{"clusters": [], "path": "/version"}`: "clusters: none given",
		`{"clusters": ["a", "a.default"], "path": "/version"}`:                "are the same cluster",
		`{"clusters": ["a", "a"], "path": "/version"}`:                        `clusters: "a" is named twice`,
		`{"selector": "env in prod", "path": "/version"}`:                     "selector: unable to parse requirement: found 'prod' expected: '('; want such as env=prod,",
		`{"clusters": ["a"], "path": "/", "stream": true}`:                    "a single cluster's can be streamed",
		`{"clusters": ["a"]}`:                                                 "path: none given",
		`{"clusters": ["a"], "path": "version"}`:                              "does not begin with a slash",
		`{"clusters": ["a"], "path": "/", "deadline": "2h"}`:                  "deadline: want",
		`{"clusters": ["a"], "path": "/", "timeout": "-1s"}`:                  "timeout: want",
		`{"clusters": ["a"], "path": "/", "concurrency": -1}`:                 "concurrency: want",
		`{"clusters": ["a"], "path": "/", "concurrency": 1001}`:               "concurrency: want",
		`{"clusters": ["a"], "path": "/", "maxResponseBytes": 99999999}`:      "maxResponseBytes: want",
		`{"clusters": ["a"], "path": "/", "responseHeaders": ["a b"]}`:        "is not the name of a header",
		`{"clusters": ["a"], "path": "/", "cluster": "x"}`:                    `did you mean "clusters"`,
		`{"clusters": [` + many + `], "path": "/"}`:                           "want at most 5000",
		`{"clusters": ["a"], "path": "/", "bodyBase64": "YQ==", "body": {}}`:  "give one of them",
		`{"clusters": ["a"], "path": "/"} {"clusters": ["b"], "path": "/"}`:   "more than one JSON value",
		`{"clusters": ["a"], "path": "/", "headers": {"a": "b\u0000"}}`:       "control characters",
		`{"clusters": ["` + strings.Repeat("a", 5<<20) + `"], "path": "/"}`:   "larger than",
		`{"clusters": ["a"], "path": "/", "deadline": "1s", "deadlines": ""}`: "unknown field",
	} {
		res, text := r.do(r.h1, r.request("POST", "/v1/requests", strings.NewReader(body)))
		var p api.Problem
		if err := json.Unmarshal([]byte(text), &p); err != nil || res.StatusCode/100 != 4 || !strings.Contains(p.Detail, want) {
			t.Errorf("%.80s: %s %.200s, want %q", body, res.Status, text, want)
		}
	}
	res, _ := r.do(r.h1, r.request("GET", "/v1/requests", nil))
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %s", res.Status)
	}
}

// TestFleetCallDeadline: what runs at the deadline has timed out, and what was not begun
// is named.
func TestFleetCallDeadline(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	hang := func(_ *subjects.RequestHead, s *stream.Stream) { _, _ = io.Copy(io.Discard, s); <-s.Context().Done() }
	r.agent("default", "a", hang)
	r.agent("default", "b", hang)
	got := r.fleet(`{"clusters": ["a", "b"], "path": "/", "deadline": "1s", "concurrency": 1}`)
	if len(got.order) != 1 || got.of[got.order[0]].Problem == nil || got.of[got.order[0]].Problem.Code != "timeout" {
		t.Errorf("%+v", got)
	}
	s := got.summary
	if s.Complete || len(s.NotBegun) != 1 || s.NotBegun[0] == got.order[0] || s.Problem == nil || s.Problem.Code != "timeout" || s.Total != 2 {
		t.Errorf("%+v", s)
	}
	got = r.fleet(`{"clusters": ["a", "b"], "path": "/", "timeout": "100ms"}`)
	for _, name := range []string{"a", "b"} {
		if p := got.of[name].Problem; p == nil || p.Code != "timeout" || p.TimeLimit == nil || p.TimeLimit.Of != "caller" || p.TimeLimit.After != "100ms" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if !got.summary.Complete || got.summary.Failed["timeout"] != 2 {
		t.Errorf("%+v", got.summary)
	}
}

// TestFleetCallIsNotHeldUpByAbsentClusters: clusters that have just been lost are waited
// for without a slot.
func TestFleetCallIsNotHeldUpByAbsentClusters(t *testing.T) {
	r := newRig(t, rigOptions{directory: directory.Config{ReconnectGrace: 2 * time.Second}})
	names := []string{}
	for i := range 20 {
		name := fmt.Sprintf("lost%d", i)
		names = append(names, name)
		r.agent("default", name, hello)
	}
	r.agent("default", "prod", hello)
	names = append(names, "prod")
	list, _ := json.Marshal(names)
	conn, err := r.pool.Acquire(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, name := range names[:20] {
		conn.Directory().Absent(name, "") // until its next heartbeat
	}
	began := time.Now()
	got := r.fleet(`{"clusters": ` + string(list) + `, "path": "/", "concurrency": 1}`)
	took := time.Since(began)
	held := slices.IndexFunc(got.order, func(name string) bool { return got.of[name].Problem != nil })
	if at := slices.Index(got.order, "prod"); held >= 0 && held < at { // others may have come back before it
		t.Errorf("behind a cluster that is away: %v", got.order)
	}
	if got.of["prod"].Status != 200 || got.summary.Total != 21 || !got.summary.Complete || took > 6*time.Second {
		t.Errorf("after %v: %v %+v", took, got.order, got.summary)
	}
}
