package binaries

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func module() fstest.MapFS {
	return fstest.MapFS{
		"go.mod":             {Data: []byte("module x/test/kube\n\nrequire (\n\tk8s.io/kubernetes v1.34.4\n)\n")},
		"go.sum":             {Data: []byte("sums\n")},
		"cmd/a/main.go":      {Data: []byte("package main\n")},
		"cmd/a/README.md":    {Data: []byte("text\n")},
		"kubeup/main.go":     {Data: []byte("package main\n")},
		".cache/old/a/x.bin": {Data: []byte("x")},
	}
}

func key(t *testing.T, fsys fstest.MapFS, goVersion, goos, goarch string) string {
	t.Helper()
	k, err := Key(fsys, goVersion, goos, goarch)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyNamesVersionAndPlatform(t *testing.T) {
	k := key(t, module(), "go1.26.0", "linux", "amd64")
	if !regexp.MustCompile(`^v1\.34\.4-linux-amd64-[0-9a-f]{12}$`).MatchString(k) {
		t.Errorf("key is %q", k)
	}
}

func TestKeyFollowsWhatShapesABuild(t *testing.T) {
	base := key(t, module(), "go1.26.0", "linux", "amd64")
	change := func(name, data string) fstest.MapFS {
		m := maps.Clone(module())
		m[name] = &fstest.MapFile{Data: []byte(data)}
		return m
	}
	for name, other := range map[string]string{
		"go version":   key(t, module(), "go1.26.1", "linux", "amd64"),
		"architecture": key(t, module(), "go1.26.0", "linux", "arm64"),
		"go.sum":       key(t, change("go.sum", "other\n"), "go1.26.0", "linux", "amd64"),
		"a main":       key(t, change("cmd/a/main.go", "package main // x\n"), "go1.26.0", "linux", "amd64"),
		"a new main":   key(t, change("cmd/b/main.go", "package main\n"), "go1.26.0", "linux", "amd64"),
		// the boundary between two files must count
		"a shift": key(t, change("cmd/a/main.go", "package main\ngo.mod"), "go1.26.0", "linux", "amd64"),
	} {
		if other == base {
			t.Errorf("%s does not change the key", name)
		}
	}
	for name, same := range map[string]string{
		"kubeup itself": key(t, change("kubeup/main.go", "package main // x\n"), "go1.26.0", "linux", "amd64"),
		"documentation": key(t, change("cmd/a/README.md", "other\n"), "go1.26.0", "linux", "amd64"),
		"the cache":     key(t, change(".cache/new", "x"), "go1.26.0", "linux", "amd64"),
	} {
		if same != base {
			t.Errorf("%s changes the key: a build of ten minutes for nothing", name)
		}
	}
}

func TestVersionWantsARelease(t *testing.T) {
	for _, mod := range []string{"", "require k8s.io/kubernetes v0.0.0\n", "\tk8s.io/kubernetes-x v1.34.4\n"} {
		if v, err := Version([]byte(mod)); err == nil {
			t.Errorf("%q gives %q, want an error", mod, v)
		}
	}
}

func TestPinnedVersionIsSet(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	v, err := Version(mod)
	if err != nil {
		t.Fatal(err)
	}
	if flags := strings.Join(Flags(v), " "); !strings.Contains(flags, "gitVersion="+v+" ") || !strings.Contains(flags, "gitMinor=34") {
		t.Errorf("flags %q do not tell clients the version %s", flags, v)
	}
}

func TestFindModuleFromAnywhereInTheRepository(t *testing.T) {
	root := t.TempDir()
	kube := filepath.Join(root, "test", "kube")
	deep := filepath.Join(root, "agent", "deep")
	for _, dir := range []string{kube, deep} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(kube, "go.mod"), []byte("module example.test/p/test/kube\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{root, kube, deep} {
		if got, err := FindModule(from); err != nil || got != kube {
			t.Errorf("from %s: %q, %v, want %s", from, got, err, kube)
		}
	}
	if got, err := FindModule(t.TempDir()); err == nil {
		t.Errorf("outside of the repository: %q, want an error", got)
	}
}

func TestWatcherSortsTheCompilersOutput(t *testing.T) {
	var w watcher
	w.read(strings.NewReader("go: downloading a.test/b v1.0.0\nk8s.io/x/y\nk8s.io/x/z\n# k8s.io/x/z\nz.go:1: syntax error\n"))
	if got := w.state(); got != "2 packages compiled, last k8s.io/x/z" {
		t.Errorf("state is %q", got)
	}
	if got := w.complaints(); got != "# k8s.io/x/z\nz.go:1: syntax error" {
		t.Errorf("complaints are %q, want the compiler's only", got)
	}
}
