package helm

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
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
	root   string // of the repository
	dir    string // for everything that is written
	helm   string // the pinned binary
	kube   *harness.Kube
	system *harness.System // an embedded broker on the node's address, no agent

	admin     *kubernetes.Clientset // directly, as the administrator
	adminHTTP *http.Client
}

var (
	shared  *suite // nil where nothing was started
	mode    = os.Getenv("FAIRLEAD_E2E")
	skipped = "charts are installed with FAIRLEAD_E2E=1, as 'make test-install' sets it"
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "helm:", err)
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
		if missing, ok := errors.AsType[*missingError](err); ok && mode != "require" {
			skipped = missing.Error()
			return m.Run(), nil
		}
		return 1, err
	}
	shared = s
	// Tests mostly wait, for pods and for the kubelet to bring Secrets into them.
	if err := flag.Set("test.parallel", "5"); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// missingError says what this machine lacks to install charts.
type missingError struct{ err error }

func (e *missingError) Error() string { return e.err.Error() }
func (e *missingError) Unwrap() error { return e.err }

// start builds and starts what tests share. What it returns is to be stopped
// even after an error.
func start(ctx context.Context) (s *suite, err error) {
	s = &suite{}
	if s.root, err = harness.Root(); err != nil {
		return s, err
	}
	cache := filepath.Join(s.root, ".cache", "tmp")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return s, err
	}
	if s.dir, err = os.MkdirTemp(cache, "helm-"); err != nil {
		return s, err
	}
	began := time.Now()
	step := func(what string) { fmt.Fprintf(os.Stderr, "helm %8.1fs  %s\n", time.Since(began).Seconds(), what) }
	binaries, err := harness.Build(ctx, false)
	if err != nil {
		return s, err
	}
	if err := s.make(ctx, os.Environ(), ".cache/bin/helm"); err != nil {
		return s, err
	}
	s.helm = filepath.Join(s.root, ".cache", "bin", "helm")
	archives, err := s.archives(ctx)
	if err != nil {
		return s, err
	}
	step("binaries, helm and images are built")
	s.kube, err = harness.StartKube(ctx, harness.KubeOptions{
		Dir: filepath.Join(s.dir, "kube"), RequireNode: mode == "require", Services: true, Progress: os.Stderr,
	})
	if err != nil {
		return s, err
	}
	if !s.kube.HasNode() {
		return s, &missingError{errors.New("needs a node: " + s.kube.NoNode)}
	}
	if err := s.kube.LoadImages(ctx, archives...); err != nil {
		return s, err
	}
	if s.admin, s.adminHTTP, err = newClientset(s.kube.Kubeconfig); err != nil {
		return s, err
	}
	s.system, err = harness.StartSystem(ctx, harness.SystemOptions{
		Dir: filepath.Join(s.dir, "system"), Binaries: binaries, Host: s.kube.NodeIP, WebSocket: true, Agents: -1, Progress: step,
	})
	return s, err
}

// archives makes the images and saves them, in a container engine that is only
// needed for that.
func (s *suite) archives(ctx context.Context) ([]string, error) {
	engine, err := harness.StartDocker(ctx)
	if err != nil {
		return nil, &missingError{err}
	}
	err = s.make(ctx, engine.Env(), "image-archives")
	if err := errors.Join(err, engine.Stop()); err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(s.root, ".cache", "images", "fairlead-*.tar"))
}

func (s *suite) make(ctx context.Context, env []string, target string) error {
	cmd := exec.CommandContext(ctx, "make", "-s", "-C", s.root, target)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make %s: %w:\n%s", target, err, out)
	}
	return nil
}

func (s *suite) stop(failed bool) error {
	var errs []error
	if s.adminHTTP != nil {
		s.adminHTTP.CloseIdleConnections()
	}
	if s.system != nil {
		if failed {
			fmt.Fprintln(os.Stderr, s.system.Logs(15))
		}
		errs = append(errs, s.system.Stop())
	}
	if s.kube != nil {
		errs = append(errs, s.kube.Stop())
	}
	if s.dir != "" && failed {
		fmt.Fprintln(os.Stderr, "helm: logs are kept in", s.dir)
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
	config.QPS, config.Burst = -1, -1 // tests ask often
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, nil, err
	}
	set, err := kubernetes.NewForConfigAndClient(config, client)
	return set, client, err
}
