package bridge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// answersWatch is an API server that lists nothing, and answers watches with a text.
func answersWatch(status int, text string) handler {
	return func(head *subjects.RequestHead, s *stream.Stream) {
		if !strings.Contains(head.Target, "watch=1") {
			reply(s, 200, `{"kind":"PodList","metadata":{"resourceVersion":"7"},"items":[]}`, "Content-Type", "application/json")
			return
		}
		_, _ = s.Write(append(encodeHead(status, -1, "Content-Type", "application/json"), text...))
		_ = s.Flush()
		if status == 200 {
			<-s.Context().Done()
		}
	}
}

// TestMergedWatchOfHostileClusters: what a cluster says that is no event of a watch ends it
// or makes it wait, and is no trouble to another.
func TestMergedWatchOfHostileClusters(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	const event = `{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"x","resourceVersion":"8"%s}}}`
	listing := func(status int, body string) handler {
		return func(_ *subjects.RequestHead, s *stream.Stream) {
			reply(s, status, body, "Content-Type", "application/json")
		}
	}
	for name, c := range map[string]struct {
		h    handler
		want string // the last state
	}{
		"deep":     {answersWatch(200, fmt.Sprintf(event, `,"a":`+strings.Repeat("[", 9997)+strings.Repeat("]", 9997))), "ended response-too-large"},
		"large":    {answersWatch(200, fmt.Sprintf(event, `,"a":"`+strings.Repeat("a", 5<<20)+`"`)), "ended response-too-large"},
		"text":     {answersWatch(200, "hello\n"), "waiting api-server-answer"},
		"number":   {answersWatch(200, "7 8 9\n"), "waiting api-server-answer"},
		"null":     {answersWatch(200, "null\n"), "waiting api-server-answer"},
		"strange":  {answersWatch(200, `{"type":"EVIL","object":{}}`), "waiting api-server-answer"},
		"version":  {answersWatch(200, `{"type":"ADDED","object":{"metadata":{"resourceVersion":"1&watch=0"}}}`), "waiting api-server-answer"},
		"gone":     {answersWatch(200, `{"type":"ERROR","object":{"code":410}}`), "started"},
		"old":      {answersWatch(410, `{}`), "started"},
		"rbac":     {listing(403, `{"kind":"Status","message":"pods is forbidden: cannot list resource"}`), "ended rbac-refused"},
		"missing":  {listing(404, `{"kind":"Status","message":"the server could not find the requested resource"}`), "ended object-not-found"},
		"object":   {listing(200, `{"kind":"Pod","metadata":{"resourceVersion":"7"}}`), "ended api-server-rejected"},
		"items":    {listing(200, `{"kind":"PodList","metadata":{"resourceVersion":"7"},"items":{}}`), "waiting api-server-answer"},
		"cut":      {listing(200, `{"kind":"PodList","metadata":{"resourceVersion":"7"},"items":[{"metadata":{}`), "waiting api-server-connection-lost"},
		"zero":     {listing(200, `{"kind":"PodList","metadata":{"resourceVersion":"0"},"items":[]}`), "waiting api-server-answer"},
		"busy":     {listing(429, `slow down`), "waiting api-server-busy"},
		"fails":    {listing(500, ``), "waiting api-server-answer"},
		"nothing":  {listing(200, ``), "waiting api-server-connection-lost"},
		"redirect": {listing(302, ``), "waiting api-server-answer"},
	} {
		r.agent("default", name, c.h)
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			v := r.view(ctx, r.goClient(r.token), client.WatchOptions{Path: "/api/v1/pods", Clusters: []string{name}})
			r.eventually("it is told", func() bool {
				_, states := v.of(name)
				return len(states) > 0 && states[len(states)-1] == c.want
			})
			if strings.HasPrefix(c.want, "ended") {
				<-v.done
				if v.err != nil || v.end == nil || v.end.Problem != nil {
					t.Errorf("end %+v, %v", v.end, v.err)
				}
			}
		})
	}
	good := newWatchSource("a")
	r.agent("default", "good", good.serve)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	v := r.view(ctx, r.goClient(r.token), client.WatchOptions{Path: "/api/v1/pods", Clusters: []string{"deep", "large", "text", "cut", "good", "nobody.acme", "prod.nowhere"}})
	r.eventually("the good one has started", func() bool { _, s := v.of("good"); return slices.Equal(s, []string{"started"}) })
	good.happens("MODIFIED", "a")
	r.eventually("the good one is watched beside the others", func() bool {
		events, _ := v.of("good")
		return len(events) > 0 && events[len(events)-1] == "MODIFIED a 102"
	})
	r.eventually("an unknown tenant's is told", func() bool {
		_, states := v.of("prod.nowhere")
		return slices.Equal(states, []string{"ended unknown-cluster"})
	})
}

// TestMergedWatchGoesOn: a version that is too old makes what was told void, and another
// stream goes on where one has ended.
func TestMergedWatchGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	one, two := newWatchSource("a", "b", "c"), newWatchSource("a")
	a := r.agent("default", "one", one.serve)
	r.agent("default", "two", two.serve)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := client.WatchOptions{Path: "/api/v1/pods?labelSelector=a%3Db", Clusters: []string{"one", "two"}}
	v := r.view(ctx, r.goClient(r.token), o)
	ended := func(cluster, state string) func() bool {
		return func() bool {
			_, states := v.of(cluster)
			return len(states) > 0 && states[len(states)-1] == state
		}
	}
	r.eventually("both have started", func() bool { return ended("one", "started")() && ended("two", "started")() })
	_ = a.Close()
	one.happens("DELETED", "b")
	one.forget()
	r.agent("default", "one", one.serve)
	r.eventually("it comes again", func() bool {
		events, states := v.of("one")
		return slices.Contains(states, "reset") && states[len(states)-1] == "started" && slices.Equal(events, []string{"ADDED a 101", "ADDED c 103"})
	})
	cancel()
	<-v.done
	o.From = v.resumeAt()
	one.happens("MODIFIED", "c")
	two.happens("MODIFIED", "a")
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	v = r.view(ctx, r.goClient(r.token), o)
	r.eventually("only what has happened since comes", func() bool {
		first, states := v.of("one")
		second, _ := v.of("two")
		return slices.Equal(first, []string{"MODIFIED c 105"}) && slices.Equal(second, []string{"MODIFIED a 102"}) && slices.Equal(states, []string{"resumed"})
	})
}

// TestMergedWatchSelects: clusters come and go with what selects them.
func TestMergedWatchSelects(t *testing.T) {
	t.Parallel()
	file := newAccessFile(t, labelled)
	r := newRig(t, rigOptions{config: file.configure})
	for _, cluster := range []string{"prod", "dev"} {
		r.agent("acme", cluster, newWatchSource("a").serve)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	selector := "env=prod"
	v := r.view(ctx, r.goClient(r.token), client.WatchOptions{Path: "/api/v1/pods", Selector: &selector, Tenant: "acme"})
	r.eventually("the selected one has started", func() bool { _, s := v.of("prod.acme"); return slices.Equal(s, []string{"started"}) })
	file.write(strings.NewReplacer("{env: dev}", "{env: prod}", "{env: prod, region: eu}", "{env: old}").Replace(labelled))
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, left := v.of("prod.acme")
		_, came := v.of("dev.acme")
		if slices.Equal(left, []string{"started", "ended"}) && slices.Equal(came, []string{"started"}) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left %v, came %v", left, came)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestMergedWatchEnds with its credential, and at a drain, and says why.
func TestMergedWatchEnds(t *testing.T) {
	t.Parallel()
	h := newHoldRig(t)
	body := h.beginMerged(h.changed)
	lines := bufio.NewReader(body)
	if text, err := lines.ReadString('\n'); err != nil || !strings.Contains(text, `"state":"waiting"`) {
		t.Fatalf("%q, %v", text, err)
	}
	h.writeTokens(h.keeps)
	rest, err := io.ReadAll(lines)
	if err != nil || !strings.Contains(string(rest), `{"summary":{"problem":{`) || !strings.Contains(string(rest), `"code":"unauthenticated"`) {
		t.Errorf("%q, %v", rest, err)
	}
	r := newRig(t, rigOptions{})
	lines = bufio.NewReader(r.beginMerged(r.token))
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.server.Drain(context.Background()) }()
	if rest, err := io.ReadAll(lines); err != nil || !strings.Contains(string(rest), `"code":"shutting-down"`) {
		t.Errorf("%q, %v", rest, err)
	}
}

// beginMerged begins a watch of a cluster that is not there.
func (r *rig) beginMerged(token string) io.ReadCloser {
	r.t.Helper()
	req := r.request("GET", "/v1/watch?clusters=nobody&path=/api/v1/pods", nil)
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

// TestMergedWatchRefused: requests that are refused as a whole, and HEAD.
func TestMergedWatchRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	pods := "&path=" + url.QueryEscape("/api/v1/pods")
	for _, query := range []string{
		"", "clusters=a", "clusters=" + pods, "clusters=a,a" + pods, "clusters=No+Name" + pods, "clusters=a&clusters=b" + pods, "clusters=a&selector=" + pods,
		"selector=((" + pods, "tenant=a.b" + pods, "state=away" + pods, "clusters=a&state=online" + pods, "clusters=a&from=a" + pods, "clusters=a&from=a:0" + pods, "clusters=a&from=a:1,a:2" + pods, "clusters=a&labelSelector=x" + pods, "%zz",
		"clusters=" + strings.Repeat("a,", 1000) + "b" + pods, "clusters=a&path=", "clusters=a&path=pods", "clusters=a&path=/version", "clusters=a&path=/api/v1/watch/pods",
		"clusters=a&path=/api/v1/namespaces/x/pods/y/log", "clusters=a&path=/api/v1/pods%3Fwatch=1", "clusters=a&path=/api/v1/pods%3Flimit=1", "clusters=a&path=/api/v1/../pods",
		"clusters=a&path=/api/v1/pods%23x", "clusters=a&path=/api/v1/%252e%252e/pods", "clusters=a&path=/api/v1/pods%3F%25zz", "clusters=a&path=/" + strings.Repeat("a", 9000),
	} {
		if res, text := r.do(r.h2, r.request("GET", "/v1/watch?"+query, nil)); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, res.StatusCode, text)
		}
	}
	if res, _ := r.do(r.h2, r.request("HEAD", "/v1/watch?clusters=a"+pods, nil)); res.StatusCode != 200 {
		t.Errorf("HEAD: %d", res.StatusCode)
	}
}

// TestMergedWatchOfASlowReader: a client that does not read keeps what happens in the
// clusters, and not in the bridge.
func TestMergedWatchOfASlowReader(t *testing.T) {
	const clusters = 40
	r := newRig(t, rigOptions{})
	var sent atomic.Int64
	filler := strings.Repeat("a", 32<<10)
	names := r.crowd(clusters, func(head *subjects.RequestHead, s *stream.Stream) {
		if !strings.Contains(head.Target, "watch=1") {
			answersWatch(200, "")(head, s)
			return
		}
		_, _ = s.Write(encodeHead(200, -1, "Content-Type", "application/json"))
		for version := 8; ; version++ {
			n, err := s.Write(fmt.Appendf(nil, `{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"x","resourceVersion":"%d"},"a":%q}}`, version, filler))
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	res, err := r.h1.Do(r.request("GET", "/v1/watch?path=/api/v1/pods&clusters="+strings.Join(names, ","), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	last := int64(-1)
	r.eventually("nothing more is sent", func() bool {
		time.Sleep(500 * time.Millisecond) // longer than a message takes
		now := sent.Load()
		still := now == last && now > 0
		last = now
		return still
	})
	runtime.GC()
	runtime.ReadMemStats(&after)
	grown := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d KiB sent by each of %d clusters, the heap of bridge, broker and agents has grown by %d KiB", last/clusters>>10, clusters, grown>>10)
	if last > clusters*(2<<20) || grown > clusters*(4<<20) {
		t.Errorf("%d bytes were sent, and the heap has grown by %d", last, grown)
	}
	lines := bufio.NewReader(res.Body)
	for range 2000 { // it goes on as soon as the client reads
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if sent.Load() <= last {
		t.Error("nothing more is sent to a client that reads again")
	}
}
