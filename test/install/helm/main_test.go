package helm

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/kubernetes"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// suite is what all tests share. Nothing in it changes once the tests run.
type suite struct {
	*testbed.Suite
	root   string // of the repository
	dir    string // for everything that is written
	helm   string // the pinned binary
	kube   *harness.Kube
	system *harness.System // an embedded broker on the node's address, no agent

	admin *kubernetes.Clientset // directly, as the administrator
}

var shared *suite // nil where nothing was started

func TestMain(m *testing.M) { testbed.Main(m, "helm", start) }

// start builds and starts what tests share.
func start(ctx context.Context, bed *testbed.Suite) error {
	s := &suite{Suite: bed, root: bed.Root, dir: bed.Dir, helm: filepath.Join(bed.Root, ".cache", "bin", "helm")}
	binaries, err := harness.Build(ctx, false)
	if err != nil {
		return err
	}
	if err := harness.Make(ctx, os.Environ(), ".cache/bin/helm"); err != nil {
		return err
	}
	archives, err := s.archives(ctx)
	if err != nil {
		return err
	}
	s.Step("binaries, helm and images are built")
	if err := s.StartKube(ctx, harness.KubeOptions{Services: true}); err != nil {
		return err
	}
	s.kube, s.admin = s.Kube, s.Admin
	if !s.kube.HasNode() {
		return &testbed.MissingError{Err: errors.New("needs a node: " + s.kube.NoNode)}
	}
	if err := s.kube.LoadImages(ctx, archives...); err != nil {
		return err
	}
	s.system, err = s.StartSystem(ctx, "system", harness.SystemOptions{
		Binaries: binaries, Host: s.kube.NodeIP, WebSocket: true, Agents: -1,
	})
	if err != nil {
		return err
	}
	shared = s
	// Tests mostly wait, for pods and for the kubelet to bring Secrets into them.
	return flag.Set("test.parallel", "5")
}

// archives makes the images and saves them. It needs a container engine only for
// that.
func (s *suite) archives(ctx context.Context) ([]string, error) {
	engine, err := harness.StartDocker(ctx)
	if err != nil {
		return nil, &testbed.MissingError{Err: err}
	}
	err = harness.Make(ctx, engine.Env(), "image-archives")
	if err := errors.Join(err, engine.Stop()); err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(s.root, ".cache", "images", "fairlead-*.tar"))
}
