package bridge

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// Running requests end when their token is revoked or loses the cluster. Those
// of other tokens continue, whatever else changes in the file.
func TestRunningRequestsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after []string // the clusters of the token that is changed, nil: it is gone
		ends  []string // the clusters whose streams end
	}{
		"revoked":  {nil, []string{"prod", "dev"}},
		"narrowed": {[]string{"dev"}, []string{"prod"}},
		"reworded": {[]string{"dev", "prod"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHoldRig(t)
			end, stay := h.begin(tt.ends)

			want := answer.Forbidden.Code
			if tt.after == nil {
				want = answer.Unauthenticated.Code
				h.writeTokens(h.keeps)
			} else {
				h.writeTokens(caller{"changed", h.changedHash, tt.after}, h.keeps)
			}
			h.wantEnd(end, want)
			h.eventually("each is in the log with the reason, whatever the level", func() bool {
				return strings.Count(h.log.String(), "level=INFO msg=request ") >= len(end) && strings.Count(h.log.String(), " revoked=\"the ") >= len(end)
			})
			if tt.ends == nil { // that the file has been read shows in who may call
				added, addedHash := token.New()
				h.writeTokens(caller{"changed", h.changedHash, tt.after}, h.keeps, caller{"added", addedHash, []string{"prod"}})
				h.accepts(added)
			}
			h.wantRunning(stay)
			// Those that were kept across one change end with the next.
			h.writeTokens()
			for _, s := range stay {
				_ = within(t, s.name+" ends at last", 5*time.Second, s.client)
			}
		})
	}
}

// holdRig is a rig with two tokens: one that the test changes and one that it
// does not.
type holdRig struct {
	*rig
	changed, changedHash string // may reach all clusters
	other                string
	keeps                caller // other's line
	arrived              chan struct{}
}

func newHoldRig(t *testing.T) *holdRig {
	t.Helper()
	h := &holdRig{rig: newRig(t, rigOptions{}), arrived: make(chan struct{}, 100)}
	for _, cluster := range []string{"prod", "dev"} {
		h.agent("default", cluster, holder(h.arrived))
	}
	h.changed, h.changedHash = token.New()
	var otherHash string
	h.other, otherHash = token.New()
	h.keeps = caller{"other", otherHash, []string{"prod"}}
	h.writeTokens(caller{"changed", h.changedHash, []string{"*"}}, h.keeps)
	h.accepts(h.other)
	return h
}

// accepts waits until the bridge accepts a token for cluster prod.
func (h *holdRig) accepts(token string) {
	h.t.Helper()
	h.eventually("the token is accepted", func() bool {
		req := h.request("GET", "/v1/clusters/prod", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		res, _ := h.do(h.h1, req)
		return res.StatusCode == 200
	})
}

// begin starts streams of both tokens, and sorts them into those that will end
// with the change, of clusters ends, and those that will stay.
func (h *holdRig) begin(ends []string) (end, stay []running) {
	h.t.Helper()
	for _, cluster := range []string{"prod", "dev"} {
		all := []running{
			h.watch(h.h1, h.changed, cluster), h.watch(h.h2, h.changed, cluster), h.exec(h.changed, cluster),
			h.upload(h.h1, h.changed, cluster), h.upload(h.h2, h.changed, cluster),
		}
		if slices.Contains(ends, cluster) {
			end = append(end, all...)
		} else {
			stay = append(stay, all...)
		}
	}
	stay = append(stay, h.watch(h.h1, h.other, "prod"), h.watch(h.h2, h.other, "prod"), h.exec(h.other, "prod"))
	for range len(end) + len(stay) {
		within(h.t, "a request arrives", 5*time.Second, h.arrived)
	}
	return end, stay
}

// wantEnd waits until the streams have ended, none as if it were complete, and
// the uploads with the given code. It takes less than a second; a machine that
// is busy with other tests may take longer.
func (h *holdRig) wantEnd(streams []running, code string) {
	h.t.Helper()
	began := time.Now()
	deadline := began.Add(5 * time.Second)
	for _, s := range streams {
		err := within(h.t, s.name+" ends", time.Until(deadline), s.client)
		if err == nil {
			h.t.Errorf("%s ended as if it were complete", s.name)
		} else if strings.HasPrefix(s.name, "upload") && err.Error() != code {
			h.t.Errorf("%s ended with %v, want %s", s.name, err, code)
		}
	}
	h.t.Logf("%d streams ended %v after the file was written", len(streams), time.Since(began))
}

func (h *holdRig) wantRunning(streams []running) {
	h.t.Helper()
	for _, s := range streams {
		select {
		case err := <-s.client:
			h.t.Errorf("%s of another token, or with its grant kept, ended: %v", s.name, err)
		default:
		}
	}
}

// A response ends with its token even if the client does not read.
func TestStalledResponseEndsWithItsToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", holder(make(chan struct{}, 1)))
	r.both(t, func(t *testing.T, c *http.Client) {
		token, hash := token.New()
		r.writeTokens(caller{"stalled", hash, []string{"*"}})
		var res *http.Response
		r.eventually("the token is taken", func() bool {
			req := r.request("GET", "/k8s/clusters/prod/stall", nil)
			req.Header.Set("Authorization", "Bearer "+token)
			var err error
			if res, err = c.Do(req); err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != 200 {
				_ = res.Body.Close()
			}
			return res.StatusCode == 200
		})
		defer res.Body.Close()
		r.writeTokens()
		r.eventually("the bridge has let go of it", func() bool { return r.metric("fairlead_bridge_requests_in_flight") == 0 })
		if n, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Errorf("%d bytes and a clean end", n)
		}
	})
}

// A call as JSON may gather an answer for minutes; its caller gets none of it
// once the token is taken back, nor does one that waits for its answer to begin.
func TestCallEndsWithItsToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	arrived, begin := make(chan struct{}, 2), make(chan struct{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		switch head.Target {
		case "/logs":
			_, _ = s.Write(append(encodeHead(200, -1), "first line\n"...))
			arrived <- struct{}{}
			<-s.Context().Done()
		case "/slow":
			arrived <- struct{}{}
			select {
			case <-begin:
				reply(s, 200, "done")
			case <-s.Context().Done():
			}
		default:
			reply(s, 200, "")
		}
	})
	token, hash := token.New()
	r.writeTokens(caller{"called", hash, []string{"*"}})
	call := func(path string) (status int, body string) {
		req := r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"path":"`+path+`"}`))
		req.Header.Set("Authorization", "Bearer "+token)
		res, body := r.do(r.h2, req)
		return res.StatusCode, body
	}
	r.eventually("the token is taken", func() bool {
		status, _ := call("/")
		return status == 200
	})
	type answer struct {
		status int
		body   string
	}
	answers := map[string]chan answer{"/logs": make(chan answer, 1), "/slow": make(chan answer, 1)}
	for path, c := range answers {
		go func() {
			status, body := call(path)
			c <- answer{status, body}
		}()
		within(t, "the call of "+path+" arrives", 5*time.Second, arrived)
	}
	r.writeTokens()
	if a := within(t, "the call ends", 5*time.Second, answers["/logs"]); a.status != 401 || !strings.Contains(a.body, "outcome is unknown") {
		t.Errorf("got %d, %s; want a 401 that leaves the outcome open", a.status, a.body)
	}
	close(begin)
	if a := within(t, "the call ends", 5*time.Second, answers["/slow"]); a.status != 401 || !strings.Contains(a.body, "outcome is unknown") {
		t.Errorf("got %d, %s; want a 401 that leaves the outcome open", a.status, a.body)
	}
}

// Nothing of a response that has not begun reaches a caller whose token was taken
// back, whether or not its request had a body.
func TestSlowAnswerIsWithheldFromARevokedToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	arrived, begin := make(chan struct{}, 2), make(chan struct{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		arrived <- struct{}{}
		<-begin
		reply(s, 200, "secret", "Set-Extra", "secret")
	})
	token, hash := token.New()
	r.writeTokens(caller{"slow", hash, []string{"*"}})
	accepted := func() bool {
		req := r.request("GET", "/v1/clusters/prod", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		res, _ := r.do(r.h2, req)
		return res.StatusCode == 200
	}
	r.eventually("the token is accepted", accepted)
	answers := make(chan *http.Response, 2)
	for method, c := range map[string]*http.Client{"GET": r.h1, "POST": r.h2} {
		go func() {
			var body io.Reader
			if method == "POST" {
				body = strings.NewReader("body")
			}
			req := r.request(method, "/k8s/clusters/prod/slow", body)
			req.Header.Set("Authorization", "Bearer "+token)
			res, text := r.do(c, req)
			res.Header.Set("Body", strings.TrimSpace(text))
			answers <- res
		}()
		within(t, "the request arrives", 5*time.Second, arrived)
	}
	r.writeTokens()
	r.eventually("the token is refused", func() bool { return !accepted() })
	close(begin)
	for range 2 {
		res := within(t, "an answer comes", 5*time.Second, answers)
		body := res.Header.Get("Body")
		if res.StatusCode != 401 || strings.Contains(body, "secret") || res.Header.Get("Set-Extra") != "" || !strings.Contains(body, "outcome is unknown") {
			t.Errorf("%s: got %d, %v; want a 401 that leaves the outcome open", res.Request.Method, res.StatusCode, res.Header)
		}
	}
}
