package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-io/fairlead/test/harness"
)

// suite is what all tests share. Nothing in it changes once the tests run.
type suite struct {
	kube   *harness.Kube
	plain  harness.Binaries // without the race detector, for what is measured
	race   harness.Binaries
	system *harness.System // an embedded broker, one agent, race detector on
	quick  *harness.System // the same without the race detector
	dir    string          // for everything that is written

	direct side // to the API server itself, as the agent
	tunnel side // through the bridge
	fast   side // through the bridge of the quick system, for what is large

	admin     *kubernetes.Clientset // directly, as the administrator
	adminHTTP *http.Client
}

// side is one way to the cluster, as the agent's identity in the end.
type side struct {
	name       string
	kubeconfig string
	server     string       // URL that paths of the API are appended to
	client     *http.Client // HTTP/2, no compression of its own
}

var (
	shared  *suite
	mode    = os.Getenv("FAIRLEAD_E2E")
	require = mode == "require"
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if mode == "" {
		return m.Run(), nil
	}
	// A hung start must end in its own error rather than in the stack dump of
	// go test's own bound.
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Minute)
	defer cancel()
	s, err := start(ctx)
	defer func() { err = errors.Join(err, s.stop(code != 0 || err != nil)) }()
	if err != nil {
		return 1, err
	}
	shared = s
	code = m.Run()
	shared.adminHTTP.CloseIdleConnections()
	shared.direct.client.CloseIdleConnections()
	shared.tunnel.client.CloseIdleConnections()
	shared.fast.client.CloseIdleConnections()
	return code, nil
}

// start builds and starts what tests share. What it returns is to be stopped
// even after an error.
func start(ctx context.Context) (*suite, error) {
	s := &suite{}
	root, err := harness.Root()
	if err != nil {
		return s, err
	}
	if s.dir, err = os.MkdirTemp(cacheDir(root), "e2e-"); err != nil {
		return s, err
	}
	step := progress()
	if s.race, err = harness.Build(ctx, true); err != nil {
		return s, err
	}
	if s.plain, err = harness.Build(ctx, false); err != nil {
		return s, err
	}
	step("binaries are built")
	s.kube, err = harness.StartKube(ctx, harness.KubeOptions{
		Dir: filepath.Join(s.dir, "kube"), RequireNode: require, Audit: true, Progress: os.Stderr,
	})
	if err != nil {
		return s, err
	}
	agentConfig, err := s.kube.MakeAgentIdentity(ctx, s.dir)
	if err != nil {
		return s, err
	}
	if s.direct, err = directSide(s.kube, agentConfig); err != nil {
		return s, err
	}
	for _, one := range []struct {
		name     string
		binaries harness.Binaries
		system   **harness.System
		side     *side
	}{{"tunnel", s.race, &s.system, &s.tunnel}, {"fast", s.plain, &s.quick, &s.fast}} {
		dir := filepath.Join(s.dir, one.name)
		*one.system, err = harness.StartSystem(ctx, harness.SystemOptions{
			Dir: dir, Binaries: one.binaries, AgentKubeconfig: agentConfig, Progress: step,
		})
		if err != nil {
			return s, err
		}
		if *one.side, err = tunnelSide(ctx, one.name, *one.system, dir); err != nil {
			return s, err
		}
	}
	s.admin, s.adminHTTP, err = newClientset(s.kube.Kubeconfig)
	return s, err
}

// cacheDir is a git-ignored folder of the repository: what a failed run leaves
// is found there, and its paths are short enough for sockets.
func cacheDir(root string) string {
	dir := filepath.Join(root, ".cache", "tmp")
	_ = os.MkdirAll(dir, 0o755) // MkdirTemp reports what is wrong
	return dir
}

func progress() func(string) {
	began := time.Now()
	return func(s string) { fmt.Fprintf(os.Stderr, "e2e %9.1fs  %s\n", time.Since(began).Seconds(), s) }
}

func (s *suite) stop(failed bool) error {
	var errs []error
	for _, one := range []*harness.System{s.quick, s.system} {
		if one == nil {
			continue
		}
		if failed {
			fmt.Fprintln(os.Stderr, one.Logs(15))
		}
		errs = append(errs, one.Stop())
	}
	if s.kube != nil {
		errs = append(errs, s.kube.Stop())
	}
	if s.dir != "" && failed {
		fmt.Fprintln(os.Stderr, "e2e: logs are kept in", s.dir)
	} else if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	if !failed {
		// The harness's own goroutine starts children and lives as long as we do.
		errs = append(errs, goleak.Find(goleak.IgnoreAnyFunction("github.com/fairlead-io/fairlead/test/harness.startOnOneThread")))
	}
	return errors.Join(errs...)
}

// newClientset returns a client-go client and what it connects with, whose idle
// connections are to be closed in the end.
func newClientset(kubeconfig string) (*kubernetes.Clientset, *http.Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, nil, err
	}
	config.QPS, config.Burst = -1, -1 // tests make thousands of objects
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, nil, err
	}
	set, err := kubernetes.NewForConfigAndClient(config, client)
	return set, client, err
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
