package e2e

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-io/fairlead/deploy/tracing/tracingtest"
	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// suite is what all tests share. Nothing in it changes once the tests run.
type suite struct {
	*testbed.Suite
	kube   *harness.Kube
	plain  harness.Binaries // without the race detector, for what is measured
	race   harness.Binaries
	system *harness.System // an embedded broker, one agent, race detector on
	quick  *harness.System // the same without the race detector
	dir    string          // for everything that is written

	direct side // to the API server itself, as the agent
	tunnel side // through the bridge
	fast   side // through the bridge of the quick system, for what is large

	admin *kubernetes.Clientset // directly, as the administrator
	// collector gets the API server's spans, those of requests that a caller traces.
	collector *tracingtest.Collector
}

// side is one way to reach the cluster. Requests have the agent's identity on
// either.
type side struct {
	name       string
	kubeconfig string
	server     string       // URL that paths of the API are appended to
	client     *http.Client // HTTP/2, no compression of its own
}

var shared *suite // nil where nothing was started

func TestMain(m *testing.M) { testbed.Main(m, "e2e", start) }

// start builds and starts what tests share.
func start(ctx context.Context, bed *testbed.Suite) (err error) {
	s := &suite{Suite: bed, dir: bed.Dir}
	if s.race, err = harness.Build(ctx, true); err != nil {
		return err
	}
	if s.plain, err = harness.Build(ctx, false); err != nil {
		return err
	}
	s.Step("binaries are built")
	if s.collector, err = tracingtest.Open(); err != nil {
		return err
	}
	s.OnStop(s.collector.Close)
	traces, err := s.tracingConfig()
	if err != nil {
		return err
	}
	if err := s.StartKube(ctx, harness.KubeOptions{Audit: true, Flags: []string{"--tracing-config-file=" + traces}}); err != nil {
		return err
	}
	s.kube, s.admin = s.Kube, s.Admin
	agentConfig, err := s.kube.MakeAgentIdentity(ctx, s.dir)
	if err != nil {
		return err
	}
	if s.direct, err = directSide(s.kube, agentConfig); err != nil {
		return err
	}
	s.CloseIdle(s.direct.client)
	for _, one := range []struct {
		name     string
		binaries harness.Binaries
		system   **harness.System
		side     *side
	}{{"tunnel", s.race, &s.system, &s.tunnel}, {"fast", s.plain, &s.quick, &s.fast}} {
		*one.system, err = s.StartSystem(ctx, one.name, harness.SystemOptions{Binaries: one.binaries, AgentKubeconfig: agentConfig})
		if err != nil {
			return err
		}
		if *one.side, err = tunnelSide(ctx, one.name, *one.system, filepath.Join(s.dir, one.name)); err != nil {
			return err
		}
		s.CloseIdle(one.side.client)
	}
	shared = s
	return nil
}

func directSide(k *harness.Kube, kubeconfig string) (side, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return side{}, err
	}
	client, err := harness.NewTokenClient(k.CAFile, config.BearerToken, harness.NoCompression)
	return side{name: "direct", kubeconfig: kubeconfig, server: k.Server, client: client}, err
}

func tunnelSide(ctx context.Context, name string, s *harness.System, dir string) (side, error) {
	kubeconfig, err := s.Kubeconfig(ctx, s.Ref(), dir)
	if err != nil {
		return side{}, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return side{}, err
	}
	client, err := s.NewClient(harness.NoCompression)
	return side{name: name, kubeconfig: kubeconfig, server: config.Host, client: client}, err
}
