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

// daemons are the services that keep running.
var daemons = []string{"broker-1", "broker-2", "broker-3", "bridge-1", "bridge-2", "nginx", "cluster", "agent-a", "agent-b"}

// system is a project that is up, with what its user has.
type system struct {
	*project
	kubectl    string
	kubeconfig string
	server     string       // the cluster's URL, through nginx
	url        string       // of nginx, https://HOST:PORT
	client     *http.Client // HTTP/1.1, as nginx is set up
}

// TestCompose takes a system through its life as docs/compose.md describes it.
// The parts run in order: each finds the system as the one before left it.
func TestCompose(t *testing.T) {
	wholeSystem(t)
	s := &system{project: newProject(t)}
	for _, part := range []struct {
		name string
		run  func(*system)
	}{
		{"Up", (*system).comesUp},
		{"Kubectl", (*system).servesKubectl},
		{"Elsewhere", (*system).handsOver},
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

// comesUp: one command starts everything, and no service crashes because another
// one was not there yet.
func (s *system) comesUp() {
	s.start()
	if in := s.inspect("init"); in.State.Status != "exited" || in.State.ExitCode != 0 {
		s.t.Errorf("init is %s with exit code %d", in.State.Status, in.State.ExitCode)
	}
	if _, said := s.inspect("agent-b").health(); !strings.Contains(said, "wss://nginx:8443/-/fairlead") {
		s.t.Errorf("agent-b should be connected by WebSocket through nginx, but says %q", said)
	}
}

// start brings up everything except Grafana, which has no image here.
func (s *system) start() {
	s.t.Helper()
	began := time.Now()
	s.compose(5*time.Minute, "up", "-d")
	s.t.Logf("up -d took %.0f s", time.Since(began).Seconds())
	s.compose(time.Minute, "--profile", "monitoring", "up", "-d", "--no-deps", "prometheus")
	for _, service := range daemons {
		if service != "nginx" { // has no health check
			s.awaitHealth(service, "healthy", "", time.Minute)
		}
	}
	for _, service := range append(daemons, "prometheus") {
		if in := s.inspect(service); in.RestartCount != 0 || in.State.Status != "running" {
			s.t.Errorf("%s is %s and was restarted %d times", service, in.State.Status, in.RestartCount)
		}
	}
}

// servesKubectl gets a kubeconfig as a user would, and uses it.
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
	// Callers have the rights of the agent's service account only.
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

// get asks the cluster. A status other than 200 is an error with the body.
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

// keepsApart: only the agents reach the private cluster, and no service has the
// secrets of another.
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
	// By address, since names do not resolve across networks anyway.
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
