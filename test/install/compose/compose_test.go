package compose

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-io/fairlead/test/harness"
)

// daemons are the services that go on running.
var daemons = []string{"broker-1", "broker-2", "broker-3", "bridge-1", "bridge-2", "nginx", "cluster", "agent-a", "agent-b"}

// system is a project that is up, and somebody who uses it.
type system struct {
	*project
	kubectl    string
	kubeconfig string
	server     string       // the cluster's URL, through nginx
	url        string       // of nginx
	client     *http.Client // HTTP/1.1, as nginx is set up
}

// TestCompose is the life of a system, as docs/compose.md tells it. Its parts
// follow one another: each finds the system as the one before left it.
func TestCompose(t *testing.T) {
	wholeSystem(t)
	s := &system{project: newProject(t)}
	for _, part := range []struct {
		name string
		run  func(*system)
	}{
		{"Up", (*system).comesUp},
		{"Kubectl", (*system).servesKubectl},
		{"Separation", (*system).keepsApart},
		{"Traffic", (*system).carriesTraffic},
		{"BrokerKilled", (*system).survivesABroker},
		{"AgentsDisconnected", (*system).noticesAgents},
		{"Revoked", (*system).revokes},
		{"Again", (*system).comesUpAgain},
		{"Monitoring", (*system).isMonitored},
	} {
		if !t.Run(part.name, func(t *testing.T) {
			defer func(whole *testing.T) { s.t = whole }(s.t)
			s.t = t
			part.run(s)
		}) {
			return
		}
	}
}

// comesUp: one command, and nothing crashes for want of something that was not
// there yet.
func (s *system) comesUp() {
	s.start()
	if in := s.inspect("init"); in.State.Status != "exited" || in.State.ExitCode != 0 {
		s.t.Errorf("init is %s with exit code %d", in.State.Status, in.State.ExitCode)
	}
	if _, said := s.inspect("agent-b").health(); !strings.Contains(said, "wss://nginx:8443/-/fairlead") {
		s.t.Errorf("agent-b should be connected by WebSocket through nginx, but says %q", said)
	}
}

// start brings everything up but Grafana, of which there is no image.
func (s *system) start() {
	s.t.Helper()
	began := time.Now()
	s.compose(5*time.Minute, "up", "-d")
	s.t.Logf("up -d took %.0f s", time.Since(began).Seconds())
	s.compose(time.Minute, "--profile", "monitoring", "up", "-d", "--no-deps", "prometheus")
	for _, service := range daemons {
		if service != "nginx" { // has no check of its own
			s.awaitHealth(service, "healthy", "", time.Minute)
		}
	}
	for _, service := range append(daemons, "prometheus") {
		if in := s.inspect(service); in.RestartCount != 0 || in.State.Status != "running" {
			s.t.Errorf("%s is %s and was restarted %d times", service, in.State.Status, in.RestartCount)
		}
	}
}

// servesKubectl gets a kubeconfig as a user does, and uses it.
func (s *system) servesKubectl() {
	var err error
	if s.kubectl, err = harness.BuildKubectl(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "fairlead-compose-")
	if err != nil {
		s.t.Fatal(err)
	}
	s.cleanup(func() { os.RemoveAll(dir) })
	s.kubeconfig = filepath.Join(dir, "fairlead.kubeconfig")
	text := s.compose(2*time.Minute, "run", "--rm", "-T", "kubeconfig")
	if err := os.WriteFile(s.kubeconfig, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		s.t.Fatalf("%v in:\n%.200s", err, text)
	}
	s.url = "https://localhost:" + strconv.Itoa(s.port)
	if s.server = config.Host; s.server != s.url+"/k8s/clusters/prod" {
		s.t.Errorf("the kubeconfig names %s", s.server)
	}
	ca := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(ca, config.CAData, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if s.client, err = harness.NewTokenClient(ca, config.BearerToken, harness.HTTP1, harness.NoCompression); err != nil {
		s.t.Fatal(err)
	}
	s.cleanup(s.client.CloseIdleConnections)

	if out := s.kubectlRuns("get", "namespaces"); !strings.Contains(out, "kube-system") {
		s.t.Errorf("kubectl get namespaces: %s", out)
	}
	s.kubectlRuns("-n", "playground", "create", "configmap", "greeting", "--from-literal=text=ahoy")
	if out := s.kubectlRuns("-n", "playground", "get", "configmap", "greeting", "-o", "jsonpath={.data.text}"); out != "ahoy" {
		s.t.Errorf("the config map says %q", out)
	}
	// The agent's account is all that callers can be.
	_, err = harness.Kubectl(s.t.Context(), s.kubectl, s.kubeconfig, "", "get", "secrets", "-A")
	if err == nil || !strings.Contains(err.Error(), "system:serviceaccount:fairlead:fairlead-agent") {
		s.t.Errorf("kubectl get secrets: %v, want a refusal that names the agent", err)
	}
}

func (s *system) kubectlRuns(args ...string) string {
	s.t.Helper()
	out, err := harness.Kubectl(s.t.Context(), s.kubectl, s.kubeconfig, "", args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// get asks the cluster; a status but 200 is an error with what was said.
func (s *system) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = &statusError{resp.StatusCode, resp.Header.Get("Fairlead-Error"), string(body)}
	}
	return body, err
}

type statusError struct {
	status int
	code   string // the bridge's own
	body   string
}

func (e *statusError) Error() string { return fmt.Sprintf("%d %s: %.300s", e.status, e.code, e.body) }

// keepsApart: nobody but the agents reaches the private cluster, and nobody has
// another's secrets.
func (s *system) keepsApart() {
	members := func(network string) []string {
		var in []string
		for _, service := range append(daemons, "prometheus") {
			if _, ok := s.inspect(service).NetworkSettings.Networks[s.network(network)]; ok {
				in = append(in, service)
			}
		}
		return in
	}
	if in, want := members("private"), []string{"cluster", "agent-a", "agent-b"}; !slices.Equal(in, want) {
		s.t.Errorf("on the private network are %q, want %q", in, want)
	}
	if in := members("outside"); slices.Contains(in, "bridge-1") || slices.Contains(in, "bridge-2") {
		s.t.Errorf("agents could reach the bridges: on their network are %q", in)
	}
	if internal := s.docker("network", "inspect", "--format", "{{.Internal}}", s.network("private")); internal != "true" {
		s.t.Errorf("the private network is internal: %s", internal)
	}
	// By address, since names end at the networks anyway.
	address := s.inspect("cluster").NetworkSettings.Networks[s.network("private")].IPAddress + ":6443"
	for service, reaches := range map[string]bool{"agent-a": true, "bridge-1": false, "bridge-2": false, "nginx": false, "broker-1": false} {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
		out, err := output(ctx, s.env, "docker", "run", "--rm", "--network", "container:"+s.container(service),
			"fairlead/test-kubernetes:dev", "probe", address)
		cancel()
		if reaches != (err == nil) || !reaches && !strings.Contains(err.Error(), "not reachable from here") {
			s.t.Errorf("from %s the API server is reached: %q, %v; want %v", service, out, err, reaches)
		}
	}

	mounts := map[string][]string{}
	for _, service := range append(daemons, "init") {
		for _, m := range s.inspect(service).Mounts {
			volume := strings.TrimPrefix(m.Name, s.name+"_")
			mounts[volume] = append(mounts[volume], service)
		}
	}
	for volume, want := range map[string][]string{
		"keys":    {"init"},
		"access":  {"agent-a", "agent-b", "cluster"},
		"cluster": {"cluster"},
		"agent":   {"agent-a", "agent-b", "init"},
		"bridge":  {"bridge-1", "bridge-2", "init"},
		"nginx":   {"init", "nginx"},
	} {
		if got := slices.Sorted(slices.Values(mounts[volume])); !slices.Equal(got, want) {
			s.t.Errorf("volume %s is mounted by %q, want %q", volume, got, want)
		}
	}
}

// noticesAgents: cut off, the cluster is answered at once and says since when;
// back, it serves again without anybody's help.
func (s *system) noticesAgents() {
	ctx, cancel := context.WithTimeout(s.t.Context(), 8*time.Minute)
	defer cancel()
	outside := s.network("outside")
	agents := []string{"agent-a", "agent-b"}
	cutOff := s.watch(ctx, "/api/v1/namespaces?watch=true")
	defer cutOff.Close()
	for _, agent := range agents {
		s.docker("network", "disconnect", outside, s.container(agent))
	}
	cut := time.Now()
	// Nothing tells anybody: pings, every 20 s, go unanswered.
	err := harness.Until(ctx, "the cluster to be offline", 90*time.Second, nil, func(ctx context.Context) error {
		asked, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		_, err := s.get(asked, "/version")
		if e, ok := err.(*statusError); ok && e.status == http.StatusServiceUnavailable && e.code == "cluster-offline" {
			return nil
		}
		return fmt.Errorf("the answer is %v", err)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("offline %.1f s after the agents were cut off", time.Since(cut).Seconds())
	began := time.Now()
	_, err = s.get(ctx, "/version")
	took := time.Since(began)
	if e, ok := err.(*statusError); !ok || e.code != "cluster-offline" || took > time.Second {
		s.t.Errorf("while it is offline: %v after %v, want cluster-offline at once", err, took)
	}
	if _, err := io.Copy(io.Discard, cutOff.r); err == nil {
		s.t.Error("a watch that was cut off ended as if nothing were missing")
	}
	s.t.Logf("while it is offline an answer takes %v", took)
	s.awaitHealth("agent-a", "unhealthy", "broker: not connected", 2*time.Minute)

	for _, agent := range agents {
		s.docker("network", "connect", "--alias", agent, outside, s.container(agent))
	}
	back := time.Now()
	err = harness.Until(ctx, "the cluster to be back", 2*time.Minute, nil, func(ctx context.Context) error {
		_, err := s.get(ctx, "/version")
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("online %.1f s after they were let out again", time.Since(back).Seconds())
	for _, agent := range agents {
		s.awaitHealth(agent, "healthy", "", 2*time.Minute)
		if n := s.inspect(agent).RestartCount; n != 0 {
			s.t.Errorf("%s was restarted %d times", agent, n)
		}
	}
}

// revokes: a credential that is taken back is cut off within seconds, and the
// agents say why; with another they are back without a restart.
func (s *system) revokes() {
	ctx := s.t.Context()
	out := s.compose(time.Minute, "run", "--rm", "-T", "admin", "cluster", "revoke", "--cluster", "prod")
	revoked := time.Now()
	for _, node := range []string{"broker-1", "broker-2", "broker-3"} {
		if !strings.Contains(out, node) {
			s.t.Errorf("revoke says %q, not that %s was told", out, node)
		}
	}
	// Cut at once; then a request waits for --reconnect-grace, 4 s, in case the
	// agents come back.
	err := harness.Until(ctx, "the revoked cluster to be offline", 15*time.Second, nil, func(ctx context.Context) error {
		asked := time.Since(revoked)
		_, err := s.get(ctx, "/version")
		if err == nil && asked > 5*time.Second {
			s.t.Errorf("a request %v after the revocation was served", asked)
		}
		if e, ok := err.(*statusError); ok && e.status == http.StatusServiceUnavailable {
			return nil
		}
		return fmt.Errorf("the answer is %v", err)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("offline %.1f s after the revocation", time.Since(revoked).Seconds())
	s.awaitHealth("agent-a", "unhealthy", "revoked", 2*time.Minute)
	s.awaitHealth("agent-b", "unhealthy", "revoked", 2*time.Minute)

	s.compose(time.Minute, "run", "--rm", "-T", "admin", "cluster", "add", "--cluster", "prod")
	s.compose(time.Minute, "run", "--rm", "-T", "init")
	given := time.Now()
	// An agent that was refused tries again after a longer pause.
	err = harness.Until(ctx, "the cluster to be back with new credentials", 3*time.Minute, nil, func(ctx context.Context) error {
		_, err := s.get(ctx, "/version")
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("online %.1f s after it was given new credentials", time.Since(given).Seconds())
	s.awaitHealth("agent-a", "healthy", "", 3*time.Minute)
	s.awaitHealth("agent-b", "healthy", "", 3*time.Minute)
}

// comesUpAgain: stopped and started, it is the same system with the same keys,
// and the private cluster has what it had.
func (s *system) comesUpAgain() {
	s.compose(3*time.Minute, "--profile", "monitoring", "stop")
	s.start()
	err := harness.Until(s.t.Context(), "kubectl to work as before", time.Minute, nil, func(ctx context.Context) error {
		out, err := harness.Kubectl(ctx, s.kubectl, s.kubeconfig, "", "-n", "playground", "get", "configmap", "greeting", "-o", "jsonpath={.data.text}")
		if err == nil && out != "ahoy" {
			err = fmt.Errorf("the config map says %q", out)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}
