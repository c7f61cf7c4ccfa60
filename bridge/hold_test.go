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

// What runs with a token ends when the token is taken back or loses the
// cluster; what others run goes on, whatever else changes in the file.
func TestWhatRunsEndsWithItsToken(t *testing.T) {
	for name, tt := range map[string]struct {
		after []string // the clusters of the token that is changed, nil: it is gone
		ends  []string // the clusters whose streams end
	}{
		"taken back": {nil, []string{"prod", "dev"}},
		"narrowed":   {[]string{"dev"}, []string{"prod"}},
		"reworded":   {[]string{"dev", "prod"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, rigOptions{})
			arrived := make(chan struct{}, 100)
			for _, cluster := range []string{"prod", "dev"} {
				r.agent("default", cluster, holder(arrived))
			}
			changed, changedHash := token.New()
			other, otherHash := token.New()
			keeps := caller{"other", otherHash, []string{"prod"}}
			r.writeTokens(caller{"changed", changedHash, []string{"*"}}, keeps)
			r.eventually("the tokens are taken", func() bool {
				req := r.request("GET", "/v1/clusters/prod", nil)
				req.Header.Set("Authorization", "Bearer "+other)
				res, _ := r.do(r.h1, req)
				return res.StatusCode == 200
			})
			var end, stay []running
			for _, cluster := range []string{"prod", "dev"} {
				all := []running{
					r.watch(r.h1, changed, cluster), r.watch(r.h2, changed, cluster), r.exec(changed, cluster),
					r.upload(r.h1, changed, cluster), r.upload(r.h2, changed, cluster),
				}
				if slices.Contains(tt.ends, cluster) {
					end = append(end, all...)
				} else {
					stay = append(stay, all...)
				}
			}
			stay = append(stay, r.watch(r.h1, other, "prod"), r.watch(r.h2, other, "prod"), r.exec(other, "prod"))
			for range len(end) + len(stay) {
				within(t, "a request arrives", 5*time.Second, arrived)
			}

			if tt.after == nil {
				r.writeTokens(keeps)
			} else {
				r.writeTokens(caller{"changed", changedHash, tt.after}, keeps)
			}
			// It takes less than a second; a machine that is busy with other tests may
			// take its time.
			began := time.Now()
			deadline := began.Add(5 * time.Second)
			for _, s := range end {
				err := within(t, s.name+" ends", time.Until(deadline), s.client)
				if err == nil {
					t.Errorf("%s ended as if it were complete", s.name)
				}
				if strings.HasPrefix(s.name, "upload") {
					want := answer.Unauthenticated.Code
					if tt.after != nil {
						want = answer.Forbidden.Code
					}
					if err.Error() != want {
						t.Errorf("%s ended with %v, want %s", s.name, err, want)
					}
				}
			}
			t.Logf("%d streams ended %v after the file was written", len(end), time.Since(began))
			if tt.ends == nil { // that the file has been read shows in who may call
				added, addedHash := token.New()
				r.writeTokens(caller{"changed", changedHash, tt.after}, keeps, caller{"added", addedHash, []string{"prod"}})
				r.eventually("the change is taken", func() bool {
					req := r.request("GET", "/v1/clusters/prod", nil)
					req.Header.Set("Authorization", "Bearer "+added)
					res, _ := r.do(r.h1, req)
					return res.StatusCode == 200
				})
			}
			for _, s := range stay {
				select {
				case err := <-s.client:
					t.Errorf("%s of another token, or with its grant kept, ended: %v", s.name, err)
				default:
				}
			}
			// Those that were kept across one change end with the next.
			r.writeTokens()
			for _, s := range stay {
				_ = within(t, s.name+" ends at last", 5*time.Second, s.client)
			}
		})
	}
}

// A client that does not read is no reason to go on.
func TestStalledResponseEndsWithItsToken(t *testing.T) {
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
// once the token is taken back. One that waits for its answer to begin gets it.
func TestCallEndsWithItsToken(t *testing.T) {
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
	if a := within(t, "the call ends", 5*time.Second, answers["/slow"]); a.status != 200 {
		t.Errorf("got %d, %s; want the answer", a.status, a.body)
	}
}
