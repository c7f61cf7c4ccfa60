package crowd

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestHungAgent: an agent's process is stopped, so that its connection stays and nothing
// comes, as when its network is cut without a word. Its cluster is no longer connected
// within 5 s, offline once the grace is over, and connected again soon after it goes on. A
// stop of a second is not noticed. Bounds are twice the aim, for a machine that does other
// things; the log has the times.
func TestHungAgent(t *testing.T) {
	if raceDetector {
		t.Skip("it measures times: run without the race detector")
	}
	s, c := withAgent(t)
	agent := s.Agents[0]
	cluster := func() *api.Cluster {
		list, err := c.Clusters(t.Context(), client.ClusterFilter{})
		if err != nil || len(list.Clusters) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		return &list.Clusters[0]
	}
	state := func() string { return cluster().State }
	// An agent that was heard twice was asked in between, and has answered: one that never
	// has is known by its heartbeats alone.
	heardTwice := func() {
		t.Helper()
		for range 2 {
			eventually.True(t, "connected", func() bool { return state() == "connected" })
			last := *cluster().LastSeen
			eventually.True(t, "a heartbeat of a connected agent", func() bool {
				now := cluster()
				if now.State != "connected" {
					t.Fatalf("%s between two heartbeats", now.State)
				}
				return now.LastSeen.After(last)
			})
		}
	}
	signal := func(sig syscall.Signal) time.Time {
		if err := agent.Signal(sig); err != nil {
			t.Fatal(err)
		}
		return time.Now()
	}
	within := func(what string, since time.Time, bound time.Duration, is func(string) bool) {
		t.Helper()
		eventually.True(t, what, func() bool { return is(state()) })
		took := time.Since(since)
		t.Logf("%s after %v", what, took.Round(time.Millisecond))
		if took > bound {
			t.Errorf("%s after %v, want at most %v", what, took, bound)
		}
	}
	heardTwice()
	signal(syscall.SIGSTOP)
	for began := time.Now(); time.Since(began) < time.Second; time.Sleep(50 * time.Millisecond) {
		if got := state(); got != "connected" {
			t.Fatalf("%s after a stop of %v", got, time.Since(began))
		}
	}
	signal(syscall.SIGCONT)
	for range 2 {
		heardTwice()
		stopped := signal(syscall.SIGSTOP)
		within("a stopped agent is not connected", stopped, 8*time.Second, func(s string) bool { return s != "connected" })
		within("a stopped agent is offline", stopped, 18*time.Second, func(s string) bool { return s == "offline" })
		within("it is connected again", signal(syscall.SIGCONT), 10*time.Second, func(s string) bool { return s == "connected" })
	}
}

// withAgent starts a bridge and a real agent of an API server that answers everything alike.
func withAgent(t *testing.T) (*harness.System, *client.Client) {
	t.Helper()
	bin, err := harness.Build(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := harness.StartSystem(t.Context(), harness.SystemOptions{Dir: t.TempDir(), Binaries: bin, AgentKubeconfig: anAPIServer(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	t.Cleanup(func() { _ = s.Agents[0].Signal(syscall.SIGCONT) }) // else it cannot stop in order
	t.Cleanup(s.Client().CloseIdleConnections)
	c, err := client.New(s.URL(""), client.Options{Token: client.Token(s.Token), Transport: s.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// anAPIServer starts one that answers everything alike, and returns a kubeconfig for it.
func anAPIServer(t *testing.T) (kubeconfig string) {
	t.Helper()
	kubernetes := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"major":"1","minor":"34","gitVersion":"v1.34.4"}`)
	}))
	t.Cleanup(kubernetes.Close)
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	const format = `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: %q}}], users: [{name: u, user: {}}]}`
	if err := os.WriteFile(kubeconfig, fmt.Appendf(nil, format, kubernetes.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}
