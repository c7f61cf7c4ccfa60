package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// bridges is the number of bridges and of brokers.
const bridges = 3

// TestBridgesSideBySide has three bridges serve one cluster of two agents over
// three brokers, all at the same time. Each works as if it were alone. When one
// is killed, its requests end at the API server and the others do not notice.
func TestBridgesSideBySide(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	s := sp.ownSystem(harness.SystemOptions{Brokers: 3, Agents: 2})
	processes := []*harness.Process{s.Bridge.Process}
	sides := []side{sp.sideOf(s, s.Ref())}
	for i := 1; i < bridges; i++ {
		process, beside := sp.bridgeBeside(s, sides[0], i+1)
		processes, sides = append(processes, process), append(sides, beside)
	}

	// A watch through each sees what was posted through all.
	watches := make([]*work, bridges)
	var wg sync.WaitGroup
	for i, tunnel := range sides {
		w := &work{sp: sp, side: tunnel, label: "together"}
		watches[i] = w
		resp := openWatch(t, tunnel, sp.path("/configmaps?watch=true&labelSelector=work%3Dtogether"))
		w.run(fmt.Sprintf("watch through bridge %d", i+1), func() error {
			defer resp.Body.Close()
			return w.watch(resp)
		})
	}
	for i, tunnel := range sides {
		wg.Go(func() {
			w := &work{sp: sp, side: tunnel, label: "together"}
			if err := each(posts/bridges, postWorkers, func(n int) error { return w.post(n*bridges + i) }); err != nil {
				t.Errorf("through bridge %d: %v", i+1, err)
			}
		})
	}
	wg.Wait()
	watches[0].checkPosts()
	for _, w := range watches {
		w.wg.Wait()
		for _, err := range w.errs {
			t.Error(err)
		}
	}
	for _, agent := range s.Agents {
		if n := sp.served(s, agent); n < posts/8 {
			t.Errorf("%s served %g of %d requests, want a fair share", agent.Name(), n, posts)
		}
	}

	// Kill the last one under its watches.
	const doomed, kept = 40, 10
	quiet := sp.path("/configmaps?watch=true&labelSelector=work%3Dnone")
	for range doomed {
		openWatch(t, sides[bridges-1], quiet)
	}
	var running []*http.Response
	for _, tunnel := range sides[:bridges-1] {
		for range kept {
			running = append(running, openWatch(t, tunnel, sp.path("/configmaps?watch=true&labelSelector=work%3Dlater")))
		}
	}
	sp.until("all watches to run", func(ctx context.Context) error {
		return sp.streams(ctx, s, func(n float64) bool { return n >= doomed+float64(len(running)) })
	})
	if err := processes[bridges-1].Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err := harness.Until(t.Context(), "the killed bridge's watches to end", 20*time.Second, nil, func(ctx context.Context) error {
		return sp.streams(ctx, s, func(n float64) bool { return n <= float64(len(running)) })
	})
	if err != nil {
		t.Error(err)
	}
	took := time.Since(began)
	// A bridge that is silent for 10 s and, according to the broker, not connected is
	// presumed dead; agents check every 250 ms.
	if took > 15*time.Second {
		t.Errorf("the watches ended %s after the bridge was killed, want a little over 10 s", took)
	}
	t.Logf("the %d watches of the killed bridge ended %s later", doomed, took)

	later := &work{sp: sp, side: sides[0], label: "later"}
	if err := later.post(0); err != nil {
		t.Error(err)
	}
	for i, resp := range running {
		if err := firstEvent(resp); err != nil {
			t.Errorf("surviving watch %d: %v", i, err)
		}
	}
}

// bridgeBeside starts another bridge in the system, configured like its first.
func (sp *space) bridgeBeside(s *harness.System, like side, number int) (*harness.Process, side) {
	sp.t.Helper()
	listen, err := freeport.Address()
	if err != nil {
		sp.t.Fatal(err)
	}
	ops, err := freeport.Address()
	if err != nil {
		sp.t.Fatal(err)
	}
	_, port, _ := strings.Cut(listen, ":")
	name := fmt.Sprintf("bridge-%d", number)
	config := func(parts ...string) string { return filepath.Join(append([]string{s.Config}, parts...)...) }
	flags := s.Options.BridgeFlags
	if s.Options.Store {
		account, err := os.ReadFile(config("store.account"))
		if err != nil {
			sp.t.Fatal(err)
		}
		flags = append([]string{"--store-account", strings.TrimSpace(string(account)), "--store-key", config("keys", "store.nk")}, flags...)
	}
	p, err := harness.Start(harness.Spec{
		Name: name, Path: s.Options.Binaries.Bridge, Log: filepath.Join(s.Options.Dir, "logs", name+".log"),
		Args: append([]string{
			"run", "--listen", listen, "--ops-listen", ops, "--public-url", "https://localhost:" + port,
			"--tls-cert", config("tls", "server.crt"), "--tls-key", config("tls", "server.key"), "--tls-ca", s.CAFile(),
			"--tokens", config("tokens.yaml"), "--tenants", config("tenants.yaml"), "--bridge-key", config("keys", "bridge.nk"),
			"--broker-url", s.BrokerURLs(), "--broker-ca", s.CAFile(),
		}, flags...),
	})
	if err != nil {
		sp.t.Fatal(err)
	}
	sp.t.Cleanup(func() { _ = p.Stop(45 * time.Second) })
	client, err := s.NewClient(harness.NoCompression)
	if err != nil {
		sp.t.Fatal(err)
	}
	sp.t.Cleanup(client.CloseIdleConnections)
	beside := side{name: name, kubeconfig: like.kubeconfig, server: "https://localhost:" + port + "/k8s/clusters/" + s.Ref(), client: client}
	sp.until(name+" to reach the cluster", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, beside.server+"/version", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
	return p, beside
}

// streams is nil if enough accepts the number of requests that all agents have
// running at their API server.
func (sp *space) streams(ctx context.Context, s *harness.System, enough func(float64) bool) error {
	n := 0.0
	for _, agent := range s.Agents {
		m, err := s.Metrics(ctx, agent)
		if err != nil {
			return err
		}
		n += m.Sum("fairlead_agent_streams")
	}
	if !enough(n) {
		return fmt.Errorf("%g are running", n)
	}
	return nil
}

// firstEvent reads until a watch has delivered an event.
func firstEvent(resp *http.Response) error {
	b := make([]byte, 1)
	_, err := resp.Body.Read(b)
	return err
}
