package images

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

// often makes the engine run the image's own health check each second from the
// start. A start period of 0 would mean the image's own, half a minute.
var often = []string{"--health-interval", "1s", "--health-start-period", "1ms", "--health-retries", "2"}

// healthy bounds the wait for a container's health: a second or two on an idle
// machine.
const healthy = time.Minute

// waitHealth waits for a container's health status and the output of its check.
func waitHealth(t *testing.T, container, status, says string) {
	t.Helper()
	err := harness.Until(t.Context(), container+" to be "+status, healthy, nil, func(ctx context.Context) error {
		got, err := engine.Run(ctx, "inspect", "--format", "{{.State.Health.Status}}\n{{range .State.Health.Log}}{{.Output}}{{end}}", container)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(got, status+"\n") || !strings.Contains(got, says) {
			return errors.New("health is " + got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// startBroker makes a broker from nothing: init in a new volume, and a broker
// that is configured by the environment only.
func startBroker(t *testing.T, net string) (container, data string) {
	t.Helper()
	data = volume(t)
	flags := append(lockedDown(), "--network", "none", "--volume", data+":/var/lib/fairlead")
	docker(t, append(append([]string{"run", "--rm"}, flags...), image("fairlead-broker"),
		"init", "--dir", "/var/lib/fairlead", "--tenant", "acme", "--cluster", "prod", "--host", "broker")...)
	container = start(t, "fairlead-broker", append(often, "--network", net, "--network-alias", "broker",
		"--volume", data+":/var/lib/fairlead", "--env", "FAIRLEAD_CONFIG=/var/lib/fairlead/broker.yaml"))
	return container, data
}

func TestBrokerFromNothingBecomesHealthy(t *testing.T) {
	needEngine(t)
	broker, _ := startBroker(t, network(t))
	waitHealth(t, broker, "healthy", "readyz check passed")
}

// TestBridgeWithItsBrokerBecomesHealthy: the health check reads the address of
// the ops listener from the same configuration as the bridge.
func TestBridgeWithItsBrokerBecomesHealthy(t *testing.T) {
	needEngine(t)
	data := volume(t)
	flags := append(lockedDown(), "--network", "none", "--volume", data+":/var/lib/fairlead")
	docker(t, append(append([]string{"run", "--rm"}, flags...), image("fairlead-broker"), "init", "--dir", "/var/lib/fairlead")...)
	bridge := start(t, "fairlead-bridge", append(often, "--network", network(t), "--volume", data+":/var/lib/fairlead",
		"--env", "FAIRLEAD_CONFIG=/var/lib/fairlead/bridge.yaml", "--env", "FAIRLEAD_OPS_LISTEN=:9000"))
	waitHealth(t, bridge, "healthy", "readyz check passed")
}

// TestAgentUsesTheImagesRoots: without a CA file, the agent verifies the broker
// against the image's roots. A broker with a private CA is refused; if the roots
// are replaced by its CA, it is accepted.
func TestAgentUsesTheImagesRoots(t *testing.T) {
	needEngine(t)
	net := network(t)
	broker, data := startBroker(t, net)
	waitHealth(t, broker, "healthy", "")
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	err := os.WriteFile(kubeconfig, []byte(`{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}],
contexts: [{name: c, context: {cluster: c, user: c}}], users: [{name: c, user: {token: x}}]}`), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	flags := append(often, "--network", net, "--volume", data+":/var/lib/fairlead:ro", "--volume", kubeconfig+":/kubeconfig:ro",
		"--env", "FAIRLEAD_SERVER=tls://broker:4222", "--env", "FAIRLEAD_CREDS=/var/lib/fairlead/creds/prod.acme.creds",
		"--env", "FAIRLEAD_KUBECONFIG=/kubeconfig")

	distrusting := start(t, "fairlead-agent", flags)
	waitHealth(t, distrusting, "unhealthy", "certificate signed by unknown authority")

	ca := filepath.Join(dir, "ca.crt")
	docker(t, "cp", broker+":/var/lib/fairlead/tls/ca.crt", ca)
	trusting := start(t, "fairlead-agent", append(flags, "--volume", ca+":/etc/ssl/certs/ca-certificates.crt:ro"))
	// Nothing listens at the API server's address; that is the only fault.
	waitHealth(t, trusting, "unhealthy", "api-server: ")
	err = harness.Until(t.Context(), "the agent to be connected", healthy, nil, func(ctx context.Context) error {
		out, err := engine.Run(ctx, "exec", trusting, "/fairlead-agent", "healthcheck")
		if err == nil || strings.Contains(out, "broker: ") || !strings.HasPrefix(out, "api-server: ") {
			return errors.New("the health check prints " + out)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
