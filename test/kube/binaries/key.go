package binaries

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

var kubernetesVersion = regexp.MustCompile(`(?m)^\s*k8s\.io/kubernetes (v1\.[0-9]+\.[0-9]+)$`)

// Version returns the version of Kubernetes that a go.mod pins.
func Version(goMod []byte) (string, error) {
	m := kubernetesVersion.FindSubmatch(goMod)
	if m == nil {
		return "", errors.New("go.mod requires no k8s.io/kubernetes at a release version")
	}
	return string(m[1]), nil
}

// Flags are the flags of every build. Kubernetes refuses to work with clients
// and servers that report the placeholder version, hence the -X.
func Flags(version string) []string {
	minor := strings.Split(version, ".")[1]
	ld := []string{"-s", "-w"}
	for _, p := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		ld = append(ld, "-X "+p+".gitVersion="+version, "-X "+p+".gitMajor=1", "-X "+p+".gitMinor="+minor)
	}
	return []string{"-trimpath", "-buildvcs=false", "-ldflags=" + strings.Join(ld, " ")}
}

// Key names the cache folder for the module in root. The environment is the rest
// that determines a build: Go version, operating system, architecture.
func Key(root fs.FS, goVersion, goos, goarch string) (string, error) {
	goMod, err := fs.ReadFile(root, "go.mod")
	if err != nil {
		return "", fmt.Errorf("cache key: %w", err)
	}
	version, err := Version(goMod)
	if err != nil {
		return "", fmt.Errorf("cache key: %w", err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%q\n", goVersion, Flags(version))
	files := []string{"go.mod", "go.sum"}
	err = fs.WalkDir(root, "cmd", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path.Ext(name) == ".go" {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("cache key: %w", err)
	}
	slices.Sort(files)
	for _, name := range files {
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return "", fmt.Errorf("cache key: %w", err)
		}
		// The length separates one file's end from the start of the next.
		fmt.Fprintf(h, "%s %d\n", name, len(data))
		h.Write(data)
	}
	return fmt.Sprintf("%s-%s-%s-%s", version, goos, goarch, hex.EncodeToString(h.Sum(nil))[:12]), nil
}

// FindModule returns the folder of this module, looking from dir upwards, so
// that a built kubeup works from anywhere in the repository.
func FindModule(dir string) (string, error) {
	for at := dir; ; {
		for _, candidate := range []string{at, path.Join(at, "test/kube")} {
			if isModule(candidate) {
				return candidate, nil
			}
		}
		parent := path.Dir(at)
		if parent == at {
			return "", fmt.Errorf("find module: neither %s nor a folder above it holds test/kube; use --module", dir)
		}
		at = parent
	}
}

func isModule(dir string) bool {
	f, err := os.Open(path.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	return err == nil && regexp.MustCompile(`(?m)^module .*/test/kube$`).Match(data)
}
