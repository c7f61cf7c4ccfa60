package bridge

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func base64URL(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// wantFailure checks that a response is the table's row of a code, as the
// Status or the problem that its path promises.
func wantFailure(t *testing.T, res *http.Response, body string, want *answer.Kind) answer.Status {
	t.Helper()
	if res.StatusCode != want.Status || res.Header.Get("Fairlead-Error") != want.Code {
		t.Fatalf("got %d %q (%s), want %d %s", res.StatusCode, res.Header.Get("Fairlead-Error"), body, want.Status, want.Code)
	}
	wantRetry := ""
	if want.Retry != 0 && !want.Lasting {
		wantRetry = strconv.Itoa(int(want.Retry / time.Second))
	}
	if retry := res.Header.Get("Retry-After"); retry != wantRetry {
		t.Errorf("%s: Retry-After %q, want %q", want.Code, retry, wantRetry)
	}
	if !strings.HasPrefix(res.Request.URL.Path, "/k8s/") {
		var p api.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status != want.Status || p.Code != want.Code || p.Detail == "" ||
			res.Header.Get("Content-Type") != "application/problem+json" || p.RequestID != res.Header.Get("X-Request-Id") {
			t.Errorf("%s: %s is not the problem that was promised (%v)", want.Code, body, err)
		}
		return answer.Status{}
	}
	var s answer.Status
	if err := json.Unmarshal([]byte(body), &s); err != nil || s.Kind != "Status" || s.APIVersion != "v1" || s.Status != "Failure" ||
		s.Code != want.Status || s.Reason != want.Reason || s.Message == "" || s.Details.Causes[0].Reason != want.Code ||
		res.Header.Get("Content-Type") != "application/json" || s.Details.UID != res.Header.Get("X-Request-Id") {
		t.Errorf("%s: %s is not the Status that was promised (%v)", want.Code, body, err)
	}
	if want.Retry != 0 && s.Details.RetryAfterSeconds != int(want.Retry/time.Second) {
		t.Errorf("%s: retryAfterSeconds %d", want.Code, s.Details.RetryAfterSeconds)
	}
	return s
}

func TestWhoMayCall(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.agent("acme", "prod", hello)
	for _, tt := range []struct {
		name, auth, path string
		want             *answer.Kind
	}{
		{"nothing", "", "/k8s/clusters/prod.acme/x", answer.Unauthenticated},
		{"basic", "Basic dTpw", "/k8s/clusters/prod.acme/x", answer.Unauthenticated},
		{"wrong", "Bearer fl_wrong", "/k8s/clusters/prod.acme/x", answer.Unauthenticated},
		{"nothing, odd name", "", "/k8s/clusters/PROD/x", answer.Unauthenticated},
		{"no grant", "Bearer " + r.acme, "/k8s/clusters/prod/x", answer.Forbidden},
		{"no grant, unknown tenant", "Bearer " + r.acme, "/k8s/clusters/prod.nobody/x", answer.Forbidden},
		{"grant", "Bearer " + r.acme, "/k8s/clusters/prod.acme/x", nil},
		{"nothing", "", "/v1/clusters", answer.Unauthenticated},
		{"nothing", "", "/v1/clusters/prod.acme", answer.Unauthenticated},
		{"nothing", "", "/v1/clusters/prod.acme/kubeconfig", answer.Unauthenticated},
		{"no grant", "Bearer " + r.acme, "/v1/clusters/prod", answer.Forbidden},
		{"no grant", "Bearer " + r.acme, "/v1/clusters/prod/kubeconfig", answer.Forbidden},
		{"grant", "Bearer " + r.acme, "/v1/clusters/prod.acme", nil},
	} {
		req := r.request("GET", tt.path, nil)
		req.Header.Del("Authorization")
		if tt.auth != "" {
			req.Header.Set("Authorization", tt.auth)
		}
		res, body := r.do(r.h2, req)
		if tt.want == nil {
			if res.StatusCode != 200 {
				t.Errorf("%s %s: %d %s", tt.name, tt.path, res.StatusCode, body)
			}
			continue
		}
		wantFailure(t, res, body, tt.want)
		if tt.want == answer.Unauthenticated && res.Header.Get("Www-Authenticate") != "Bearer" {
			t.Errorf("%s: no challenge", tt.name)
		}
	}
	if log := r.log.String(); strings.Contains(log, r.acme) || strings.Contains(log, r.token) {
		t.Error("a token is in the log")
	}
}

func TestClustersThatAreNotThere(t *testing.T) {
	r := newRig(t, rigOptions{clusters: []string{"known"}, directory: directory.Config{ReconnectGrace: 300 * time.Millisecond}})
	get := func(name string) (*http.Response, string, time.Duration) {
		start := time.Now()
		res, body := r.do(r.h1, r.request("GET", "/k8s/clusters/"+name+"/api", nil))
		return res, body, time.Since(start)
	}
	for name, want := range map[string]*answer.Kind{
		"prod.nobody": answer.UnknownCluster, "typo.lab": answer.UnknownCluster, "known.lab": answer.NeverConnected, "prod": answer.NeverConnected,
		"PROD": answer.BadClusterName, "a.b.c": answer.BadClusterName, "pr_od": answer.BadClusterName, "-a": answer.BadClusterName, "a%2eb": answer.BadClusterName,
		"*": answer.BadClusterName, "a.": answer.BadClusterName, ".": answer.BadClusterName, "..": answer.BadClusterName, strings.Repeat("a", 64): answer.BadClusterName, "": answer.BadClusterName,
	} {
		res, body, _ := get(name)
		s := wantFailure(t, res, body, want)
		if want == answer.NeverConnected && !strings.Contains(s.Message, `"`+name+`"`) {
			t.Errorf("%s: message %q does not name the cluster", name, s.Message)
		}
	}

	a := r.agent("default", "prod", hello)
	if res, body, _ := get("prod"); body != "hello" {
		t.Fatalf("got %d %s", res.StatusCode, body)
	}
	before := time.Now()
	_ = a.Close() // says goodbye
	r.eventually("the goodbye is heard", func() bool {
		res, _, _ := get("prod")
		return res.StatusCode == 503
	})
	fastest := time.Hour
	for range 5 {
		res, body, took := get("prod")
		s := wantFailure(t, res, body, answer.Offline)
		fastest = min(fastest, took)
		since, err := time.Parse(time.RFC3339, s.Details.Causes[1].Message)
		if err != nil || since.Before(before.Add(-2*time.Second)) || since.After(time.Now()) || !strings.Contains(s.Message, s.Details.Causes[1].Message) {
			t.Errorf("offline since %v (%v); message %q", since, err, s.Message)
		}
		if s.Details.Name != "prod" || s.Details.Kind != "clusters" {
			t.Errorf("details %+v", s.Details)
		}
	}
	if fastest > 50*time.Millisecond {
		t.Errorf("a cluster known to be offline was answered after %v at best", fastest)
	}
}

// What an agent says of a request comes out as the table has it.
func TestAgentsRefusals(t *testing.T) {
	r := newRig(t, rigOptions{})
	var executed atomic.Int32
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		executed.Add(1)
		code, _ := strconv.Atoi(strings.TrimPrefix(head.Target, "/"))
		if code == 0 {
			_ = s.WriteFinal([]byte{0, 0}) // no head
			return
		}
		s.Reset(subjects.Code(code), "the agent's words")
	})
	for code, want := range map[subjects.Code]*answer.Kind{
		0:                            answer.ProtocolError,
		subjects.CodeCanceled:        answer.AgentError,
		subjects.CodeProtocol:        answer.ProtocolError,
		subjects.CodeIncompatible:    answer.Incompatible,
		subjects.CodeInternal:        answer.AgentError,
		subjects.CodeOverloaded:      answer.Overloaded,
		subjects.CodeDraining:        answer.Draining,
		subjects.CodeRefused:         answer.Refused,
		subjects.CodeTooLarge:        answer.HeadTooLarge,
		subjects.CodeUnreachable:     answer.Unreachable,
		subjects.CodeUntrusted:       answer.Untrusted,
		subjects.CodeUpstream:        answer.UpstreamLost,
		subjects.CodeTimeout:         answer.TimedOut,
		subjects.CodeUnknownOutcome:  answer.OutcomeUnknown,
		subjects.CodeShutdown:        answer.OutcomeUnknown,
		subjects.CodeBadRequest:      answer.BadRequest,
		subjects.CodeUpstreamRefused: answer.UpstreamRefused,
		subjects.CodeUnauthorized:    answer.AgentUnauthorized,
		subjects.Code(999):           answer.AgentError,
	} {
		for _, method := range []string{"GET", "POST"} {
			executed.Store(0)
			res, body := r.do(r.h2, r.request(method, fmt.Sprintf("/k8s/clusters/prod/%d", code), nil))
			s := wantFailure(t, res, body, want)
			if code != 0 && !strings.Contains(s.Message, "the agent's words") {
				t.Errorf("%v: message %q hides the agent's", code, s.Message)
			}
			if n := executed.Load(); n != 1 {
				t.Errorf("%v: one agent was asked %d times", code, n)
			}
		}
	}
}

func TestRequestsThatCannotBeSent(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", hello)
	req := r.request("GET", "/k8s/clusters/prod/x", nil)
	for i := range subjects.MaxHeaders + 1 {
		req.Header.Add("X-Many", strconv.Itoa(i))
	}
	res, body := r.do(r.h1, req)
	wantFailure(t, res, body, answer.HeadTooLarge)

	_, br := r.raw("GET /k8s/clusters/prod/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nX-Big: " +
		strings.Repeat("x", maxHeaderBytes+8192) + "\r\n\r\n")
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 431 {
		t.Errorf("a head over the limit: %v, %v, want a 431", res, err)
	}
	for _, target := range []string{"/", "/v2", "/v1/clusters/a/b/c", "/v1/clusters/", "/k8s", "/k8s/clusters"} {
		res, body := r.do(r.h1, r.request("GET", target, nil))
		if res.StatusCode != 404 || res.Header.Get("Fairlead-Error") != "not-found" {
			t.Errorf("%s: %d %s", target, res.StatusCode, body)
		}
	}
	for _, line := range []string{"CONNECT example.com:443", "OPTIONS *"} {
		_, br := r.raw(line + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n\r\n")
		if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 404 && res.StatusCode != 200 {
			t.Errorf("%s: %v, %v", line, res, err)
		}
	}
}

// Two agents: what one certainly has not executed goes to the other.
func TestSecondInstanceTakesOver(t *testing.T) {
	for _, code := range []subjects.Code{
		subjects.CodeDraining, subjects.CodeOverloaded, subjects.CodeUnreachable, subjects.CodeUpstream, subjects.CodeShutdown,
	} {
		t.Run(code.String(), func(t *testing.T) {
			r := newRig(t, rigOptions{})
			var refusals, executions atomic.Int32
			var refuser atomic.Pointer[stream.Stream]
			var first atomic.Bool
			answer := func(head *subjects.RequestHead, s *stream.Stream) {
				if head.Method != "GET" && head.ContentLength > 40_000 {
					_, _ = s.Next() // some of an upload
				}
				if first.CompareAndSwap(false, true) {
					refusals.Add(1)
					refuser.Store(s)
					s.Reset(code, "no")
					return
				}
				executions.Add(1)
				b, _ := io.ReadAll(s)
				reply(s, 200, strconv.Itoa(len(b)))
			}
			r.agent("default", "prod", answer)
			r.agent("default", "prod", answer)
			for _, tt := range []struct {
				method string
				size   int
				again  bool
			}{
				{"GET", 0, code != subjects.CodeUpstream},
				{"POST", 1000, code.NotExecuted()},
				{"POST", 50_000, false}, // the body has begun to leave
			} {
				first.Store(false)
				executions.Store(0)
				res, body := r.do(r.h1, r.request(tt.method, "/k8s/clusters/prod/x", strings.NewReader(strings.Repeat("x", tt.size))))
				switch {
				case tt.again && (res.StatusCode != 200 || body != strconv.Itoa(tt.size)):
					t.Errorf("%s of %d bytes: %d %s, want the other instance's answer", tt.method, tt.size, res.StatusCode, body)
				case !tt.again && (res.StatusCode == 200 || executions.Load() != 0):
					t.Errorf("%s of %d bytes: %d, executed %d times after a refusal", tt.method, tt.size, res.StatusCode, executions.Load())
				}
			}
		})
	}
}

// An upload whose body has not begun to leave can still move.
func TestUploadMovesBeforeItsFirstByte(t *testing.T) {
	r := newRig(t, rigOptions{})
	var first atomic.Bool
	moved := make(chan struct{})
	answer := func(_ *subjects.RequestHead, s *stream.Stream) {
		if first.CompareAndSwap(false, true) {
			s.Reset(subjects.CodeDraining, "")
			return
		}
		close(moved)
		b, _ := io.ReadAll(s)
		reply(s, 200, string(b))
	}
	r.agent("default", "prod", answer)
	r.agent("default", "prod", answer)
	pr, pw := io.Pipe()
	go func() {
		<-moved
		_, _ = io.WriteString(pw, "body")
		_ = pw.Close()
	}()
	if res, body := r.do(r.h1, r.request("POST", "/k8s/clusters/prod/x", pr)); body != "body" {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
}

// An agent that vanishes and comes back within the grace breaks no POST.
func TestBurstOverALostAgentConnection(t *testing.T) {
	r := newRig(t, rigOptions{plain: true})
	var executed atomic.Int32
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		executed.Add(1)
		reply(s, 201, "")
	})
	const n = 200
	results := make(chan int, n)
	start := time.Now()
	for i := range n {
		go func() {
			req := r.request("POST", "/k8s/clusters/prod/x", strings.NewReader(strconv.Itoa(i)))
			res, err := r.h1.Do(req)
			if err != nil {
				results <- 0
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode != 201 {
				t.Logf("%v after %v", res.Header["Fairlead-Error"], time.Since(start))
			}
			results <- res.StatusCode
		}()
		if i == n/3 || i == n/2 {
			r.dropAgents()
		}
	}
	for range n {
		if status := within(t, "a POST is answered", 20*time.Second, results); status != 201 {
			t.Errorf("a POST got %d", status)
		}
	}
	if got := executed.Load(); got != n {
		t.Errorf("%d executions of %d POSTs", got, n)
	}
}

// dropAgents cuts the connections of all agents, which come back.
func (r *rig) dropAgents() {
	conns, err := r.nats.Connz(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range conns.Conns {
		if !strings.HasPrefix(c.Name, "fairlead-bridge") {
			if client := r.nats.GetClient(c.Cid); client != nil {
				_ = r.nats.DisconnectClientByID(c.Cid)
			}
		}
	}
}

func TestOwnLinkIsLost(t *testing.T) {
	r := newRig(t, rigOptions{directory: directory.Config{ReconnectGrace: 100 * time.Millisecond}})
	r.agent("default", "prod", hello)
	conn, err := r.pool.Acquire(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	r.nats.Stop()
	r.eventually("the bridge knows", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := conn.Directory().Pick(ctx, "prod", new(directory.Attempt))
		return err != nil
	})
	res, body := r.do(r.h1, r.request("GET", "/k8s/clusters/prod/x", nil))
	wantFailure(t, res, body, answer.BrokerDown)
}

func TestPeerLost(t *testing.T) {
	r := newRig(t, rigOptions{
		stream:    stream.Config{PeerTimeout: 300 * time.Millisecond, PingInterval: 50 * time.Millisecond},
		directory: directory.Config{ReconnectGrace: 100 * time.Millisecond},
	})
	// An agent that is subscribed and never answers anything.
	nc := r.nats.Agent(t, "default", "prod")
	instance := subjects.NewID('a')
	if _, err := nc.SubscribeSync(subjects.AgentFrames("prod", instance)); err != nil {
		t.Fatal(err)
	}
	conn, err := r.pool.Acquire(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	announce := func() {
		b, err := subjects.AppendPresence(nil, &subjects.Presence{Protocol: [2]int{1, 1}, State: subjects.PresenceUp})
		if err != nil {
			t.Fatal(err)
		}
		r.eventually("the bridge hears it", func() bool {
			if err := nc.Publish(subjects.UpAll("prod", instance), b); err != nil {
				t.Fatal(err)
			}
			return conn.Directory().Connected() == 1
		})
	}
	announce()
	res, body := r.do(r.h1, r.request("POST", "/k8s/clusters/prod/x", strings.NewReader("x")))
	wantFailure(t, res, body, answer.OutcomeUnknown)
	announce()
	res, body = r.do(r.h1, r.request("GET", "/k8s/clusters/prod/x", nil))
	wantFailure(t, res, body, answer.Offline) // tried again, found nobody
}
