package bridge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// beginFleet begins a fleet call and returns the body of its response.
func (r *rig) beginFleet(token, body string) io.ReadCloser {
	r.t.Helper()
	req := r.request("POST", "/v1/requests", strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := r.h1.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != 200 {
		r.t.Fatal(res.Status)
	}
	return res.Body
}

// waits is an agent that says that a request has come, and waits until its end.
func waits(arrived chan struct{}) handler {
	return func(_ *subjects.RequestHead, s *stream.Stream) {
		arrived <- struct{}{}
		<-s.Context().Done()
	}
}

// TestFleetCallEndsWithItsCredential: what runs is ended, nothing is begun, and the last
// line says why.
func TestFleetCallEndsWithItsCredential(t *testing.T) {
	t.Parallel()
	h := newHoldRig(t)
	body := h.beginFleet(h.changed, `{"clusters": ["prod", "dev"], "path": "/", "concurrency": 1}`)
	_ = within(t, "a request arrives", 5*time.Second, h.arrived)
	h.writeTokens(h.keeps)
	got := h.readFleet(body)
	s := got.summary
	if s == nil || s.Complete || s.Problem == nil || s.Problem.Code != "unauthenticated" || len(got.of) != 0 ||
		s.Failed["unauthenticated"] != 1 || len(s.NotBegun) != 1 || s.Total != 2 {
		t.Errorf("%+v, %+v", got.of, s)
	}
	h.eventually("the log says so", func() bool {
		return strings.Contains(h.log.String(), "path=/v1/requests status=200") && strings.Contains(h.log.String(), "revoked=\"the ")
	})
}

// TestFleetCallOfAClientThatLeaves ends its requests.
func TestFleetCallOfAClientThatLeaves(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	arrived := make(chan struct{}, 10)
	a := r.agent("default", "prod", waits(arrived))
	body := r.beginFleet(r.token, `{"clusters": ["prod", "nobody"], "path": "/"}`)
	_ = within(t, "a request arrives", 5*time.Second, arrived)
	_ = body.Close()
	r.eventually("the request ends", func() bool { return a.Streams() == 0 })
	r.eventually("and so does the call", func() bool { return r.metric("fairlead_bridge_requests_in_flight") == 0 })
}

// TestFleetCallAtADrain: what runs is finished, and what is not begun is named.
func TestFleetCallAtADrain(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	arrived, goOn := make(chan struct{}, 10), make(chan struct{})
	slow := func(_ *subjects.RequestHead, s *stream.Stream) {
		arrived <- struct{}{}
		<-goOn
		reply(s, 200, "done")
	}
	r.agent("default", "a", slow)
	r.agent("default", "b", slow)
	body := r.beginFleet(r.token, `{"clusters": ["a", "b"], "path": "/", "concurrency": 1}`)
	_ = within(t, "a request arrives", 5*time.Second, arrived)
	drained := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		drained <- r.server.Drain(ctx)
	}()
	<-r.server.leaving.Done()
	close(goOn)
	got := r.readFleet(body)
	if s := got.summary; s == nil || s.Complete || s.Responses["2xx"] != 1 || len(s.NotBegun) != 1 || s.Problem == nil || s.Problem.Code != "shutting-down" {
		t.Errorf("%+v", s)
	}
	if err := within(t, "the drain ends", 10*time.Second, drained); err != nil {
		t.Error(err)
	}
}

// TestFleetCallOfASlowReader: large responses wait until somebody reads, and all arrive
// then. What is in memory meanwhile is judged by the tests of package fleet.
func TestFleetCallOfASlowReader(t *testing.T) {
	const clusters, size = 6, 16 << 20
	r := newRig(t, rigOptions{})
	var begun atomic.Int64
	part := []byte(strings.Repeat("x", 64<<10))
	large := func(_ *subjects.RequestHead, s *stream.Stream) {
		begun.Add(1)
		if _, err := s.Write(encodeHead(200, -1, "Content-Type", "text/plain")); err != nil {
			return
		}
		for n := 0; n < size; n += len(part) {
			if _, err := s.Write(part); err != nil {
				return
			}
		}
		_ = s.CloseWrite()
	}
	names := []string{}
	for i := range clusters {
		names = append(names, fmt.Sprintf("c%d", i))
		r.agent("default", names[i], large)
	}
	list, _ := json.Marshal(names)
	r.h1 = &http.Client{Transport: r.transport(false)} // lines of 16 MiB are not held against the schema
	body := r.beginFleet(r.token, `{"clusters": `+string(list)+`, "path": "/", "maxResponseBytes": 16777216, "timeout": "5m"}`)
	r.eventually("every cluster is asked", func() bool { return begun.Load() == clusters })
	seen := readSizes(t, body)
	slices.Sort(seen)
	if len(seen) != clusters || seen[0] != size || seen[clusters-1] != size {
		t.Errorf("%d bodies, of %v bytes", len(seen), seen)
	}
}

// readSizes reads the lines of a fleet call and returns how long the bodies are, which are
// of the letter x alone. It does not parse them, which takes minutes with the race detector.
func readSizes(t *testing.T, body io.Reader) (sizes []int) {
	t.Helper()
	lines := bufio.NewReaderSize(body, 1<<20)
	for {
		text, err := lines.ReadBytes('\n')
		switch {
		case err == io.EOF:
			return sizes
		case err != nil:
			t.Fatalf("%.200s: %v", text, err)
		case bytes.HasPrefix(text, []byte(`{"summary"`)):
			continue
		}
		_, of, ok := bytes.Cut(text, []byte(`"body":"`))
		n := bytes.IndexByte(of, '"')
		if !ok || n != bytes.Count(of[:max(n, 0)], []byte("x")) {
			t.Fatalf("%.300s", text)
		}
		sizes = append(sizes, n)
	}
}
