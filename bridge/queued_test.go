package bridge

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// slowTrail takes the first event when it is released, as a disk that hangs for a
// while does.
type slowTrail struct {
	trail
	first   sync.Once
	waits   chan struct{} // closed when the first event has come
	release chan struct{}
}

func (s *slowTrail) Write(lines []byte, sync bool) error {
	s.first.Do(func() {
		close(s.waits)
		<-s.release
	})
	return s.trail.Write(lines, sync)
}

// TestWaitingRequestDoesNotOutliveItsToken: a request that was let in and then has to
// wait, here for its audit event, is not executed once its token is revoked.
func TestWaitingRequestDoesNotOutliveItsToken(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(r *rig) *http.Request{
		"k8s": func(r *rig) *http.Request {
			return r.request("DELETE", "/k8s/clusters/prod/api/v1/namespaces/shop", nil)
		},
		"json": func(r *rig) *http.Request {
			return r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"method":"DELETE","path":"/api/v1/namespaces/shop"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &slowTrail{waits: make(chan struct{}), release: make(chan struct{})}
			release := sync.OnceFunc(func() { close(s.release) })
			defer release() // the log ends after its last event
			var log *audit.Log
			t.Cleanup(func() {
				if err := log.Close(); err != nil {
					t.Error(err)
				}
			})
			r := newRig(t, rigOptions{config: func(cfg *Config) {
				var err error
				log, err = audit.NewLog(audit.Config{Required: true}, []audit.Output{{Name: "slow", Sink: s}}, cfg.Logger, cfg.Registerer)
				if err != nil {
					t.Fatal(err)
				}
				cfg.Audit = log
			}})
			executed := make(chan *subjects.RequestHead, 10)
			r.agent("default", "prod", func(head *subjects.RequestHead, st *stream.Stream) {
				executed <- head
				hello(head, st)
			})
			answered := make(chan string, 1)
			go func() {
				res, body := r.do(r.h1, send(r))
				answered <- res.Status + " " + body
			}()
			within(t, "the request waits for its event", 5*time.Second, s.waits)
			r.writeTokens()
			authenticate := r.request("GET", "/", nil)
			r.eventually("the token is refused", func() bool {
				_, err := r.server.cfg.Authenticator.Authenticate(authenticate)
				return err != nil
			})
			release()
			got := within(t, "the answer", 10*time.Second, answered)
			if !strings.HasPrefix(got, "401") || !strings.Contains(got, "nothing was executed") {
				t.Errorf("got %s, want a 401 that says that nothing was executed", got)
			}
			if len(executed) > 0 {
				t.Errorf("the agent got %+v", <-executed)
			}
		})
	}
}
