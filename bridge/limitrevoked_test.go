package bridge

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// leased authenticates everyone as one caller, whose lease a test may end.
type leased struct {
	lease *access.Lease
	asked chan struct{}
}

func (l *leased) Authenticate(r *http.Request) (*access.Caller, error) {
	if strings.HasSuffix(r.URL.Path, "/second") {
		close(l.asked)
	}
	all, err := access.ParsePattern("*")
	return &access.Caller{Name: r.URL.Path, Clusters: []access.Pattern{all}, Lease: l.lease}, err
}

// A request that waited for its turn is not executed for a credential that was revoked
// meanwhile, whether it waited at the bridge's limit or for the agents.
func TestRevokedWhileWaiting(t *testing.T) {
	for name, c := range map[string]limit.Config{
		"limit of the cluster": {Cluster: limit.Limits{ConcurrentRequests: 1}},
		"agents are full":      {},
	} {
		t.Run(name, func(t *testing.T) {
			who := &leased{lease: access.NewLease(), asked: make(chan struct{})}
			l := limit.New().With(&c)
			r := newRig(t, rigOptions{config: func(cfg *Config) { cfg.Limiter, cfg.Authenticator = l, who }})
			var executed atomic.Int32
			begun, end := make(chan struct{}, 1), make(chan struct{})
			r.agent("acme", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
				switch {
				case head.Target == "/first":
					begun <- struct{}{}
					<-end
				case name == "agents are full" && !who.lease.Ended():
					s.Reset(subjects.CodeOverloaded, "")
					return
				default:
					executed.Add(1)
				}
				reply(s, 200, "done")
			})
			first := make(chan struct{})
			go func() {
				defer close(first)
				if res, err := r.h2.Do(r.request("GET", "/k8s/clusters/prod.acme/first", nil)); err == nil {
					_ = res.Body.Close()
				}
			}()
			<-begun
			go func() {
				<-who.asked
				time.AfterFunc(300*time.Millisecond, func() { // it waits by then, for up to 2 s
					who.lease.End(nil)
					close(end)
				})
			}()
			res, body := r.do(r.h1, r.request("GET", "/k8s/clusters/prod.acme/second", nil))
			wantFailure(t, res, body, answer.Unauthenticated)
			if executed.Load() != 0 {
				t.Error("the request was executed")
			}
			<-first
		})
	}
}
