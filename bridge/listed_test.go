package bridge

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tenant"
)

// TestRequestsEndWithTheirCluster: within about a second, the requests of a
// cluster, tenant or account that is no longer in the list of tenants end. Those
// of other clusters go on, whatever else changes in the list.
func TestRequestsEndWithTheirCluster(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(r *rig, list tenant.List)
		ends   []string     // the clusters whose requests end
		then   *answer.Kind // of a later request to prod.lab; nil: it is answered
	}{
		"clusters added and reordered": {func(r *rig, l tenant.List) {
			l["lab"] = tenant.Entry{Account: r.nats.Accounts["lab"], Clusters: []string{"new", "dev", "prod"}}
		}, nil, nil},
		"list of clusters dropped": {func(r *rig, l tenant.List) {
			l["lab"] = tenant.Entry{Account: r.nats.Accounts["lab"]}
		}, nil, nil},
		"cluster removed": {func(r *rig, l tenant.List) {
			l["lab"] = tenant.Entry{Account: r.nats.Accounts["lab"], Clusters: []string{"dev"}}
		}, []string{"prod.lab"}, answer.UnknownCluster},
		"tenant removed": {func(_ *rig, l tenant.List) {
			delete(l, "lab")
		}, []string{"prod.lab", "dev.lab"}, answer.UnknownCluster},
		"account changed": {func(r *rig, l tenant.List) {
			l["lab"] = tenant.Entry{Account: r.nats.Accounts["default"]}
		}, []string{"prod.lab", "dev.lab"}, answer.NeverConnected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, rigOptions{clusters: []string{"prod", "dev"}})
			arrived := make(chan struct{}, 100)
			r.agent("lab", "prod", holder(arrived))
			r.agent("lab", "dev", holder(arrived))
			r.agent("acme", "prod", holder(arrived))
			end, stay := r.runAll(tt.ends)
			for range len(end) + len(stay) {
				within(t, "a request arrives", 5*time.Second, arrived)
			}
			list := tenant.List{}
			for name, entry := range *r.list.Load() {
				list[name] = entry
			}
			tt.change(r, list)
			r.list.Store(&list)
			began := time.Now()
			// It takes a quarter of a second; a busy machine may take longer.
			for _, s := range end {
				err := within(t, s.name+" ends", time.Until(began.Add(5*time.Second)), s.client)
				wantCut(t, s.name, err)
			}
			t.Logf("%d requests ended %v after the change", len(end), time.Since(began))
			if tt.then != nil {
				res, body := r.do(r.h1, r.request("GET", "/k8s/clusters/prod.lab/x", nil))
				wantFailure(t, res, body, tt.then)
			} else {
				r.eventually("the change counts", func() bool {
					res, _ := r.do(r.h1, r.request("GET", "/v1/clusters/new.lab", nil))
					return res.StatusCode == 200
				})
			}
			for _, s := range stay {
				select {
				case err := <-s.client:
					t.Errorf("%s, of a cluster that stays, ended: %v", s.name, err)
				default:
				}
			}
			r.list.Store(&tenant.List{})
			for _, s := range stay {
				_ = within(t, s.name+" ends at last", 5*time.Second, s.client)
			}
		})
	}
}

// runAll begins requests of each kind to three clusters, and parts them by
// whether their cluster is one of ends.
func (r *rig) runAll(ends []string) (end, stay []running) {
	r.t.Helper()
	for _, cluster := range []string{"prod.lab", "dev.lab", "prod.acme"} {
		all := []running{
			r.watch(r.h1, r.token, cluster), r.watch(r.h2, r.token, cluster), r.exec(r.token, cluster),
			r.upload(r.h1, r.token, cluster), r.unanswered(r.h2, cluster),
		}
		if slices.Contains(ends, cluster) {
			end = append(end, all...)
		} else {
			stay = append(stay, all...)
		}
	}
	return end, stay
}

// wantCut demands that a request ended as one whose cluster was removed should:
// visibly, and where it was not answered with an answer that says what is known.
func wantCut(t *testing.T, name string, err error) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s ended as if it were complete", name)
	case strings.HasPrefix(name, "upload") && err.Error() != answer.OutcomeUnknown.Code:
		t.Errorf("%s ended with %v, want %s", name, err, answer.OutcomeUnknown.Code)
	case strings.HasPrefix(name, "GET") && (err.Error() == answer.Stopping.Code || err.Error() == answer.OutcomeUnknown.Code):
		t.Errorf("%s, which can be tried again, ended with %v", name, err)
	}
}

// unanswered begins a GET that the agent does not answer.
func (r *rig) unanswered(c *http.Client, cluster string) running {
	ended := make(chan error, 1)
	req := r.request("GET", "/k8s/clusters/"+cluster+"/unanswered", nil)
	go func() {
		res, err := c.Do(req)
		if err == nil {
			_ = res.Body.Close()
			err = failureCode(res.Header.Get(answer.Header))
		}
		ended <- err
	}()
	return running{"GET of " + cluster, ended}
}

// failureCode is a code of the bridge as an error.
type failureCode string

func (c failureCode) Error() string { return string(c) }
