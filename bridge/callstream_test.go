package bridge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// callLines reads the response to a call that streams.
type callLines struct {
	t   *testing.T
	d   *json.Decoder
	res *http.Response
}

func (r *rig) streamed(t *testing.T, c *http.Client, doc string) *callLines {
	t.Helper()
	res, err := c.Do(r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(doc)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/x-ndjson" || res.Header.Get("X-Accel-Buffering") != "no" {
		b, _ := io.ReadAll(res.Body)
		t.Fatalf("%d %v %s", res.StatusCode, res.Header, b)
	}
	return &callLines{t, json.NewDecoder(bufio.NewReader(res.Body)), res}
}

func (l *callLines) next() (line api.CallLine) {
	l.t.Helper()
	if err := l.d.Decode(&line); err != nil {
		l.t.Fatal(err)
	}
	return line
}

// rest is the body that follows, and how it ended.
func (l *callLines) rest() (body string, end *api.CallEnd) {
	l.t.Helper()
	for {
		line := l.next()
		body += line.Body + string(line.BodyBase64)
		if line.End != nil {
			if err := l.d.Decode(&line); err != io.EOF {
				l.t.Errorf("after the end: %v, %+v", err, line)
			}
			return body, line.End
		}
	}
}

// TestStreamedCalls: what a cluster answers comes whole, whatever its bytes are.
func TestStreamedCalls(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	bodies := map[string][]string{
		"/text":   {"héllo ", "w\xc3", "\xb6rld"}, // a character in two parts
		"/binary": {"\xff\x00", "a\xf0"},
		"/empty":  nil,
		"/large":  {strings.Repeat("0123456789", 300_000)},
	}
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(encodeHead(404, -1, "Content-Type", "text/plain", "Set-Cookie", "a=b"))
		for _, part := range bodies[head.Target] {
			_, _ = s.Write([]byte(part))
			_ = s.Flush()
		}
		_ = s.CloseWrite()
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		for path, parts := range bodies {
			l := r.streamed(t, c, `{"stream":true,"path":"`+path+`"}`)
			head := l.next().Head
			if head == nil || head.Status != 404 || head.Headers.Get("Content-Type") != "text/plain" || head.Headers["Set-Cookie"] != nil ||
				head.RequestID != l.res.Header.Get("X-Request-Id") {
				t.Errorf("%s: the head is %+v", path, head)
			}
			body, end := l.rest()
			want := strings.Join(parts, "")
			if body != want || end.Problem != nil || end.Bytes != int64(len(want)) {
				t.Errorf("%s: %d bytes, want %d; %+v", path, len(body), len(want), end)
			}
			if d, err := time.ParseDuration(end.Duration); err != nil || d <= 0 {
				t.Errorf("%s: duration %q", path, end.Duration)
			}
		}
	})
}

// TestStreamedCallIsAskedFor: by the header too, unless it says not to.
func TestStreamedCallIsAskedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", hello)
	for accept, want := range map[string]string{
		"application/x-ndjson":                         "application/x-ndjson",
		"application/json, Application/X-NDJSON;q=0.5": "application/x-ndjson",
		"application/x-ndjson;q=0, application/json":   "application/json",
		"*/*": "application/json",
	} {
		req := r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"path":"/version"}`))
		req.Header.Set("Accept", accept)
		if res, body := r.do(r.h2, req); res.Header.Get("Content-Type") != want {
			t.Errorf("%s: %s %s", accept, res.Header.Get("Content-Type"), body)
		}
	}
}

// watched is an agent whose watch has one event, and then what the test makes of it.
func (r *rig) watched() (begun <-chan *stream.Stream) {
	streams := make(chan *stream.Stream, 8)
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(append(encodeHead(200, -1, "Content-Type", "application/json"), `{"type":"ADDED"}`+"\n"...))
		_ = s.Flush()
		streams <- s
		<-s.Context().Done()
	})
	return streams
}

const watchCall = `{"stream":true,"path":"/api/v1/pods?watch=1"}`

// TestStreamedWatch: an event comes at once, and when the client goes the cluster's end of
// the watch goes too.
func TestStreamedWatch(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	begun := r.watched()
	r.both(t, func(t *testing.T, c *http.Client) {
		l := r.streamed(t, c, watchCall)
		if l.next().Head == nil || l.next().Body != `{"type":"ADDED"}`+"\n" {
			t.Error("no head and event")
		}
		s := <-begun
		_ = l.res.Body.Close()
		within(t, "the watch ends at the agent", 5*time.Second, s.Context().Done())
	})
}

// TestStreamedCallsThatBreak: the end says why a body is not whole.
func TestStreamedCallsThatBreak(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		doc  string
		end  func(r *rig, s *stream.Stream)
		want *answer.Kind
		text string
	}{
		"agent resets":  {watchCall, func(_ *rig, s *stream.Stream) { s.Reset(subjects.CodeUpstream, "connection reset") }, answer.UpstreamLost, "connection reset"},
		"owner revokes": {watchCall, func(_ *rig, s *stream.Stream) { s.Reset(subjects.CodeRevoked, "allow-list") }, answer.Refused, "allow-list"},
		"bridge drains": {watchCall, func(r *rig, _ *stream.Stream) { r.server.leave() }, answer.Stopping, "begin the watch again"},
		"timeout":       {`{"stream":true,"timeout":"2s","path":"/api/v1/pods?watch=1"}`, func(*rig, *stream.Stream) {}, answer.TimedOut, "within 2s, the time limit that the caller gave"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, rigOptions{})
			begun := r.watched()
			l := r.streamed(t, r.h2, tt.doc)
			tt.end(r, <-begun)
			body, end := l.rest()
			if end.Problem == nil || end.Problem.Code != tt.want.Code || !strings.Contains(end.Problem.Detail, tt.text) || end.Problem.RequestID != l.res.Header.Get("X-Request-Id") {
				t.Errorf("%q ended with %+v", body, end.Problem)
			}
			if limit := end.Problem.TimeLimit; (limit != nil) != (tt.want == answer.TimedOut) || limit != nil && (limit.Of != "caller" || limit.After != "2s") {
				t.Errorf("time limit %+v", limit)
			}
		})
	}
}

// TestStreamedCallIsRevoked: a caller whose token is gone gets nothing more, and reads why.
func TestStreamedCallIsRevoked(t *testing.T) {
	t.Parallel()
	h := newWatchRig(t)
	req := h.request("POST", "/v1/clusters/prod/requests", strings.NewReader(watchCall))
	req.Header.Set("Authorization", "Bearer "+h.token)
	res, err := h.h2.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	l := &callLines{t, json.NewDecoder(res.Body), res}
	l.next()
	h.writeTokens()
	if _, end := l.rest(); end.Problem == nil || end.Problem.Code != answer.Unauthenticated.Code {
		t.Errorf("ended with %+v", end.Problem)
	}
	h.eventually("the log has the reason, and nothing was aborted", func() bool {
		log := h.log.String()
		return strings.Contains(log, "revoked=\"the ") && !strings.Contains(log, "aborted=")
	})
}

// TestStreamedCallSlowsTheCluster: a client that does not read holds the API server up,
// and a drain does not wait for it.
func TestStreamedCallSlowsTheCluster(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	var written atomic.Int64
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(encodeHead(200, -1))
		chunk := bytes.Repeat([]byte("x"), 64<<10)
		for {
			n, err := s.Write(chunk)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	l := r.streamed(t, r.h1, watchCall)
	l.next()
	var last int64
	for still := 0; still < 5; {
		time.Sleep(50 * time.Millisecond) // not for order: the writer stands still once every buffer is full
		if now := written.Load(); now == last {
			still++
		} else {
			last, still = now, 0
		}
	}
	if last > 64<<20 {
		t.Errorf("%d bytes came from the cluster, and none was read", last)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := r.server.Drain(ctx); err != nil {
		t.Errorf("the drain waits: %v", err)
	}
}

// TestStreamedCallIsOneRequest of audit and of figures, which says what was done.
func TestStreamedCallIsOneRequest(t *testing.T) {
	t.Parallel()
	r, trail := auditRig(t, audit.Config{}, rigOptions{})
	begun := r.watched()
	l := r.streamed(t, r.h2, watchCall)
	(<-begun).Reset(subjects.CodeUpstream, "gone")
	l.rest()
	r.eventually("the event is written", func() bool { return strings.Contains(trail.text(), "ResponseComplete") })
	var stages []string
	for _, e := range trail.events(t) {
		stages = append(stages, fmt.Sprint(e.Data.Stage, " ", e.Data.Verb, " ", e.Data.ResponseStatus.Code))
	}
	if got := strings.Join(stages, ", "); got != "ResponseStarted watch 200, ResponseComplete watch 200" || !strings.Contains(trail.text(), `"aborted":"api-server-connection-lost`) {
		t.Errorf("got %s\n%s", got, trail.text())
	}
}
