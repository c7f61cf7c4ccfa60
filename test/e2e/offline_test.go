package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

// ownSystem starts a Fairlead for a test that breaks or measures it.
func (sp *space) ownSystem(o harness.SystemOptions) *harness.System {
	sp.t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(sp.dir, sp.name)
	}
	if o.AgentKubeconfig == "" {
		o.AgentKubeconfig = sp.direct.kubeconfig
	}
	if o.Binaries == (harness.Binaries{}) {
		o.Binaries = sp.race
	}
	o.Progress = func(s string) { sp.t.Log(s) }
	s, err := harness.StartSystem(sp.t.Context(), o)
	if err != nil {
		sp.t.Fatal(err)
	}
	sp.t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			sp.t.Error(err)
		}
		if sp.t.Failed() {
			sp.t.Log(s.Logs(25))
		}
	})
	return s
}

// sideOf is the tunnel of a Fairlead that belongs to one test.
func (sp *space) sideOf(s *harness.System, ref string) side {
	sp.t.Helper()
	client, err := s.NewClient(harness.NoCompression)
	if err != nil {
		sp.t.Fatal(err)
	}
	sp.t.Cleanup(client.CloseIdleConnections)
	kubeconfig, err := s.Kubeconfig(sp.t.Context(), ref, filepath.Join(sp.dir, sp.name))
	if err != nil {
		sp.t.Fatal(err)
	}
	return side{name: ref, kubeconfig: kubeconfig, server: s.URL("/k8s/clusters/" + ref), client: client}
}

// refusal is a bridge's answer when a cluster is not available.
type refusal struct {
	answer
	metav1.Status
	took time.Duration
}

func (sp *space) refused(s side) (r refusal) {
	sp.t.Helper()
	req, err := http.NewRequestWithContext(sp.t.Context(), http.MethodGet, s.server+"/api/v1/pods", nil)
	if err != nil {
		sp.t.Fatal(err)
	}
	began := time.Now()
	r.answer = ask(sp.t, s, req)
	r.took = time.Since(began)
	if err := json.Unmarshal(r.body, &r.Status); err != nil || r.Kind != "Status" {
		sp.t.Errorf("%s: %d %s, want a Kubernetes Status", s.name, r.status, r.body)
	}
	return r
}

// fast bounds how long a bridge takes to refuse a request for a cluster that it
// knows to be unavailable.
const fast = 50 * time.Millisecond

// refusedOften asks again and again, and returns the median of how long an answer took: a
// single one may have to wait for a core.
func (sp *space) refusedOften(s side, check func(refusal)) time.Duration {
	sp.t.Helper()
	times := make([]time.Duration, 101)
	for i := range times {
		r := sp.refused(s)
		check(r)
		times[i] = r.took
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// stopAgent stops the only agent of a cluster, and waits until the bridge has read its
// goodbye, which may still be under way when the process has ended. Silence takes longer.
func (sp *space) stopAgent(s *harness.System) {
	sp.t.Helper()
	if err := s.Agents[len(s.Agents)-1].Stop(stopWithin); err != nil {
		sp.t.Fatal(err)
	}
	if err := harness.Until(sp.t.Context(), "the goodbye", 5*time.Second, nil, s.Offline); err != nil {
		sp.t.Fatal(err)
	}
}

// TestClusterThatIsNotThere: each reason why a cluster is unavailable has its own
// answer. The answer is fast once the bridge knows the reason.
func TestClusterThatIsNotThere(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	s := sp.ownSystem(harness.SystemOptions{})
	for _, one := range []struct {
		name string
		test func(*space, *harness.System)
	}{
		{"never connected", (*space).neverConnected}, {"unknown tenant", (*space).unknownTenant},
		{"offline", (*space).offline}, {"crashed", (*space).crashed},
	} {
		t.Run(one.name, func(t *testing.T) { one.test(&space{suite: sp.suite, t: t, name: sp.name}, s) })
	}
}

func (sp *space) neverConnected(s *harness.System) {
	other := sp.sideOf(s, "elsewhere.acme")
	sp.refused(other) // for the first request the bridge has to ask for agents
	r := sp.refused(other)
	if r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") != "" || !strings.Contains(r.Message, "has not connected") {
		sp.t.Errorf("got %d, Retry-After %q, %q", r.status, r.header.Get("Retry-After"), r.Message)
	}
	k := sp.do(sp.on(other, "get", "pods"))
	// A kubectl that has nothing cached drops the message and shows the warning.
	if k.code != 1 || !strings.Contains(k.stderr, `Warning: cluster "elsewhere.acme" has not connected`) {
		sp.t.Errorf("kubectl: exit code %d, %s", k.code, k.stderr)
	}
}

func (sp *space) unknownTenant(s *harness.System) {
	other := sp.tunnelTo(s, "prod.nobody")
	r := sp.refused(other)
	if r.status != http.StatusNotFound || !strings.Contains(r.Message, "not known") {
		sp.t.Errorf("got %d, %q, want 404", r.status, r.Message)
	}
	k := sp.do(sp.on(other, "get", "pods"))
	if k.code != 1 || !strings.Contains(k.stderr, `Warning: cluster "prod.nobody": the tenant is not known`) {
		sp.t.Errorf("kubectl: exit code %d, %s", k.code, k.stderr)
	}
}

func (sp *space) offline(s *harness.System) {
	tunnel := sp.sideOf(s, s.Ref())
	sp.must(sp.on(tunnel, "get", "configmaps"))
	sp.stopAgent(s)
	median := sp.refusedOften(tunnel, func(r refusal) {
		if r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") != "" ||
			r.header.Get("Fairlead-Error") != "cluster-offline" || !strings.Contains(r.Message, "last heard at 20") {
			sp.t.Fatalf("got %d, Retry-After %q, %s", r.status, r.header.Get("Retry-After"), r.body)
		}
	})
	if median > fast {
		sp.t.Errorf("the median answer took %s, want at most %s", median, fast)
	}
	began := time.Now()
	k := sp.do(sp.on(tunnel, "get", "pods"))
	if k.code != 1 || !strings.Contains(k.stderr, "Error from server (ServiceUnavailable)") || !strings.Contains(k.stderr, "is offline: its agent was last heard at") {
		sp.t.Errorf("kubectl: exit code %d, %s", k.code, k.stderr)
	}
	if took := time.Since(began); took > 10*time.Second {
		sp.t.Errorf("kubectl took %s to give up", took)
	}
	sp.t.Logf("median answer %s; kubectl says: %s", median, k.stderr)

	sp.restartAgent(s)
}

func (sp *space) crashed(s *harness.System) {
	tunnel := sp.sideOf(s, s.Ref())
	watch := openWatch(sp.t, tunnel, sp.path("/configmaps?watch=true"))
	agent := s.Agents[0]
	// A suspended agent leaves the GET without an answer.
	if err := agent.Signal(syscall.SIGSTOP); err != nil {
		sp.t.Fatal(err)
	}
	underWay := make(chan refusal, 1)
	go func() {
		defer close(underWay) // also where it fails
		underWay <- sp.refused(tunnel)
	}()
	sp.until("the GET to be under way", func(ctx context.Context) error {
		m, err := s.Metrics(ctx, s.Bridge)
		if err == nil && m.Sum("fairlead_bridge_requests_in_flight") < 2 { // and the watch
			err = errors.New("it is not")
		}
		return err
	})
	if err := agent.Kill(); err != nil {
		sp.t.Fatal(err)
	}
	// The broker knows at once. The bridge learns it when it next asks, within
	// 2.5 s, and then gives the agent 5 s to come back. Silence alone would take
	// 10 s.
	const soon = 9 * time.Second
	began := time.Now()
	r := <-underWay
	took := time.Since(began)
	if r.status != http.StatusServiceUnavailable || r.header.Get("Fairlead-Error") != "cluster-offline" || took > soon {
		sp.t.Errorf("the GET under way got %d %s after %s, want 503 cluster-offline within %s", r.status, r.body, took, soon)
	}
	median := sp.refusedOften(tunnel, func(later refusal) {
		if later.header.Get("Fairlead-Error") != "cluster-offline" {
			sp.t.Fatalf("a later GET got %d %s, want cluster-offline", later.status, later.body)
		}
	})
	if median > fast {
		sp.t.Errorf("the median of later GETs took %s, want at most %s", median, fast)
	}
	sp.t.Logf("the GET under way was refused %s after the crash, later ones in %s", took, median)
	// Running requests end within the time after which an absent peer is presumed dead.
	ended := make(chan error, 1)
	go func() {
		_, _, err := digest(watch.Body)
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil {
			sp.t.Error("the watch of a crashed agent looked complete")
		}
	case <-time.After(20 * time.Second):
		sp.t.Error("the watch of a crashed agent is still open")
	}
	sp.restartAgent(s)
}

// restartAgent restarts the agent that a test has ended.
func (sp *space) restartAgent(s *harness.System) {
	sp.t.Helper()
	if err := s.Restart(sp.t.Context(), s.Agents[0]); err != nil {
		sp.t.Fatal(err)
	}
	if err := s.WaitReachable(sp.t.Context(), s.Ref()); err != nil {
		sp.t.Error(err)
	}
}

// tunnelTo is sideOf for a cluster that the bridge makes no kubeconfig for.
func (sp *space) tunnelTo(s *harness.System, ref string) side {
	sp.t.Helper()
	other := sp.sideOf(s, s.Ref())
	other.name, other.server = ref, s.URL("/k8s/clusters/"+ref)
	var err error
	other.kubeconfig, err = harness.WriteKubeconfig(filepath.Join(sp.t.TempDir(), "config"), other.server,
		restConfig(sp.t, side{name: ref, kubeconfig: sp.sideOf(s, s.Ref()).kubeconfig}).CAData, s.Token)
	if err != nil {
		sp.t.Fatal(err)
	}
	return other
}
