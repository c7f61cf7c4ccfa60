package docs

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

// scenario is a series of blocks that a reader runs from first to last.
type scenario struct {
	// elsewhere, if not empty, says why the blocks are not run here. They then
	// only have to name existing make targets.
	elsewhere string
	// needs are programs without which the scenario is skipped, with a message.
	needs []string
	// prepare sets up what a reader already has.
	prepare func(*reader)
	// meanwhile has, by document, commands to run before the reader comes to
	// it: what somebody else has done by then.
	meanwhile map[string]string
	// within bounds the whole scenario.
	within time.Duration
}

const moved = "test/e2e's TestFromOneBrokerToThree runs them, with what they need between them"

var scenarios = map[string]scenario{
	"ci":            {elsewhere: ".ci/run runs them, and this test with them"},
	"bench":         {elsewhere: "a benchmark beside tests measures nothing; bench's own tests run a short one"},
	"store-user":    {elsewhere: moved},
	"store-save":    {elsewhere: moved},
	"store-restore": {elsewhere: moved},
	"demo":          {within: 5 * time.Minute},
	"first-run":     {within: 5 * time.Minute, prepare: (*reader).hasCluster},
	"first-grant":   {within: 5 * time.Minute, prepare: (*reader).hasCluster},
	"kube":          {within: 5 * time.Minute, prepare: (*reader).hasKubectl},
	"images":        {within: 10 * time.Minute, prepare: (*reader).hasEngine},
	"compose":       {within: 15 * time.Minute, prepare: (*reader).hasCompose},
	"nsc":           {within: 10 * time.Minute, prepare: (*reader).hasBinaries, needs: []string{"nsc"}},
	"nsc-takeover": {within: 5 * time.Minute, prepare: (*reader).install, needs: []string{"nsc"}, meanwhile: map[string]string{
		"deploy/nsc/README.md": "fairlead-broker init --dir fl --tenant acme --cluster prod --host broker.example.com",
	}},
	"nsc-helm": {within: 15 * time.Minute, prepare: (*reader).hasPlatformCluster, needs: []string{"nsc"}},
	"helm": {within: 15 * time.Minute, prepare: (*reader).hasPlatformCluster, meanwhile: map[string]string{
		"deploy/helm/fairlead-agent/README.md": "cp prod.creds new.creds", // from the platform's operator
	}},
	"helm-platform": {within: 10 * time.Minute, prepare: (*reader).hasPlatformCluster},
	"helm-files":    {within: 10 * time.Minute, prepare: (*reader).hasPlatformCluster},
}

var (
	mode    = os.Getenv("FAIRLEAD_E2E")
	require = mode == "require"
)

// reader is somebody who follows a document: a home, a copy of the repository,
// and the programs that the document takes for granted.
type reader struct {
	t    *testing.T
	dir  string // holds all else
	repo string
	home string
	path []string // before the system's
	env  []string // over the system's
	// hosts are names that resolve for this reader only.
	hosts map[string]string
}

func (r *reader) TempFile(name string) string { return filepath.Join(r.dir, name) }

// newReader copies the repository with uncommitted changes, so that files which a
// document tells its reader to write do not end up in it.
func newReader(t *testing.T) *reader {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(root, ".cache", "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(tmp, "docs-")
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, dir: dir, repo: filepath.Join(dir, "fairlead"), home: filepath.Join(dir, "home"), hosts: map[string]string{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("what the documents made and printed is kept in", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.MkdirAll(r.home, 0o755); err != nil {
		t.Fatal(err)
	}
	list, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal("list the repository's files:", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		if err := copyFile(filepath.Join(root, name), filepath.Join(r.repo, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err) // a deletion that is not yet committed is not an error
		}
	}
	// The Kubernetes binaries, which take ten minutes to build, exist already.
	for _, cache := range []string{"test/kube/.cache", ".cache/bin", ".cache/images"} {
		if err := os.MkdirAll(filepath.Join(root, cache), 0o755); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(r.repo, cache)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(root, cache), link); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *reader) hasKubectl() {
	r.t.Helper()
	kubectl, err := harness.BuildKubectl(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	r.path = append(r.path, filepath.Dir(kubectl))
}

// hasBinaries gives the reader the installed binaries, a name that resolves to
// this machine, and a cluster.
func (r *reader) hasBinaries() {
	r.t.Helper()
	r.install()
	r.hosts["broker.example.com"] = "127.0.0.1"
	r.hasCluster()
}

// install puts the three binaries on the reader's path.
func (r *reader) install() {
	r.t.Helper()
	binaries, err := harness.Build(r.t.Context(), false)
	if err != nil {
		r.t.Fatal(err)
	}
	r.path = append(r.path, filepath.Dir(binaries.Broker))
}

func copyFile(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, info.Mode().Perm())
}

// hasCluster gives the reader a Kubernetes with its kubeconfig and kubectl.
func (r *reader) hasCluster() { r.startCluster(harness.KubeOptions{}) }

func (r *reader) startCluster(o harness.KubeOptions) *harness.Kube {
	r.t.Helper()
	o.Dir, o.Progress = r.TempFile("kube"), r.t.Output()
	k, err := harness.StartKube(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := k.Stop(); err != nil {
			r.t.Error(err)
		}
	})
	r.path = append(r.path, filepath.Dir(k.Kubectl))
	if err := copyFile(k.Kubeconfig, filepath.Join(r.home, ".kube", "config")); err != nil {
		r.t.Fatal(err)
	}
	return k
}

// TestDocuments follows each scenario from its first block to its last.
func TestDocuments(t *testing.T) {
	if mode == "" {
		t.Skip("FAIRLEAD_E2E is not set: commands of the documents are only checked for their form")
	}
	all := blocks(t)
	for _, name := range slices.Sorted(maps.Keys(scenarios)) {
		s := scenarios[name]
		if s.elsewhere != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for _, program := range s.needs {
				if _, err := exec.LookPath(program); err != nil {
					t.Skipf("%s is not on PATH, so the commands of scenario %s were not run", program, name)
				}
			}
			r := newReader(t)
			if s.prepare != nil {
				s.prepare(r)
			}
			r.follow(s.within, s.blocks(name, all))
		})
	}
}

// blocks returns the scenario's blocks, with those of meanwhile between them.
func (s *scenario) blocks(name string, all []Block) []Block {
	var mine []Block
	for _, b := range all {
		if !b.In(name) {
			continue
		}
		if text := s.meanwhile[b.File]; text != "" && (len(mine) == 0 || mine[len(mine)-1].File != b.File) {
			mine = append(mine, Block{File: b.File, Text: text + "\n"})
		}
		mine = append(mine, b)
	}
	return mine
}

// follow runs blocks and ends the processes that they leave running.
func (r *reader) follow(within time.Duration, blocks []Block) {
	r.t.Helper()
	logs := r.TempFile("printed")
	script := r.TempFile("script")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte(Script(blocks, logs)), 0o600); err != nil {
		r.t.Fatal(err)
	}
	spec := harness.Spec{
		Name: "the documents' commands", Path: "/bin/bash", Args: []string{script},
		Log: r.TempFile("output"), Dir: r.repo,
		Env: append(append(r.env, inherited()...), "HOME="+r.home, "PATH="+strings.Join(append(r.path, os.Getenv("PATH")), ":")),
	}
	if len(r.hosts) > 0 {
		r.ownHosts(&spec)
	}
	p, err := harness.Start(spec)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), within)
	defer cancel()
	select {
	case <-p.Done():
		if p.ExitCode() != 0 {
			r.t.Error(p.Err())
		}
	case <-ctx.Done():
		r.t.Errorf("not done within %s; the output ends with:\n%s", within, harness.Tail(p.Log(), 25))
	}
	if err := p.StopGroup(time.Minute); err != nil {
		r.t.Error(err)
	}
}

// inherited keeps Go's caches, which are found by HOME otherwise.
func inherited() []string {
	var env []string
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		out, err := exec.Command("go", "env", name).Output()
		if err == nil {
			env = append(env, name+"="+strings.TrimSpace(string(out)))
		}
	}
	return append(env, "KUBECONFIG=", "ONESHOT=")
}

// ownHosts lets the reader's names resolve, in a mount namespace of its own.
func (r *reader) ownHosts(spec *harness.Spec) {
	r.t.Helper()
	system, err := os.ReadFile("/etc/hosts")
	if err != nil {
		r.t.Fatal(err)
	}
	file := r.TempFile("hosts")
	f, err := os.Create(file)
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = f.Write(system)
	for name, address := range r.hosts {
		if err == nil {
			_, err = fmt.Fprintf(f, "%s %s\n", address, name)
		}
	}
	if err := f.Close(); err != nil {
		r.t.Fatal(err)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	spec.Args = []string{"--mount", "bash", "-c", `mount --bind "$0" /etc/hosts && exec bash "$1"`, file, spec.Args[0]}
	if spec.Path, err = exec.LookPath("unshare"); err != nil {
		r.t.Fatal(err)
	}
}

// TestElsewhere checks the commands that are not run here: make knows their
// target.
func TestElsewhere(t *testing.T) {
	root, _ := documents(t)
	ci, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks(t) {
		for line := range strings.Lines(b.Text) {
			target, ok := strings.CutPrefix(line, "make ")
			if !ok || b.Lang != "sh" {
				continue
			}
			target = strings.Fields(target)[0]
			cmd := exec.CommandContext(t.Context(), "make", "-n", target)
			cmd.Dir = root
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: make %s: %v: %s", b.Where(), target, err, out)
			}
			if b.In("ci") && target != "test" && !strings.HasPrefix(target, "test-") && !strings.Contains(string(ci), "make "+target) {
				t.Errorf("%s: .ci/run does not run make %s", b.Where(), target)
			}
		}
	}
}
