package substitute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/fairlead-io/fairlead/test/harness"
)

// image is a program that docker-compose.yml wants an image of.
type image struct {
	variable string // of docker-compose.yml, for another image
	name     string // of the Debian package and the program
	file     string // in the package
	volume   string // folder that the user nobody owns; the program then runs as nobody
}

var images = []image{
	{variable: "NGINX_IMAGE", name: "nginx", file: "usr/sbin/nginx"},
	{variable: "PROMETHEUS_IMAGE", name: "prometheus", file: "usr/bin/prometheus", volume: "prometheus"},
}

// Env builds the substitutes. It returns env, in which docker reaches its engine,
// with the variables that make docker-compose.yml use them.
func Env(ctx context.Context, env []string) ([]string, error) {
	all := append([]string(nil), env...)
	for _, i := range images {
		if named(env, i.variable) {
			continue
		}
		tag, err := i.build(ctx, env)
		if err != nil {
			return nil, fmt.Errorf("substitute for the image of %s (%s names another): %w", i.name, i.variable, err)
		}
		all = append(all, i.variable+"="+tag)
	}
	return all, nil
}

func named(env []string, variable string) bool {
	for _, s := range env {
		if value, ok := strings.CutPrefix(s, variable+"="); ok && value != "" {
			return true
		}
	}
	return false
}

func (i image) build(ctx context.Context, env []string) (tag string, err error) {
	program, err := unpacked(ctx, i.name, i.file)
	if err != nil {
		return "", err
	}
	libraries, err := linked(ctx, program)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "fairlead-substitute-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tree := filepath.Join(dir, "tree")
	for _, library := range libraries {
		if err := copyFile(library, filepath.Join(tree, library)); err != nil {
			return "", err
		}
	}
	if err := copyFile(program, filepath.Join(tree, "usr", "bin", i.name)); err != nil {
		return "", err
	}
	dockerfile := "FROM scratch\nCOPY tree /\n"
	if i.volume != "" {
		if err := os.MkdirAll(filepath.Join(dir, "volumes", i.volume), 0o755); err != nil {
			return "", err
		}
		dockerfile += "COPY --chown=65534:65534 volumes /\nUSER 65534\n"
	}
	dockerfile += fmt.Sprintf("ENV PATH=/usr/bin\nENTRYPOINT [%q]\n", "/usr/bin/"+i.name)
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		return "", err
	}
	tag = "fairlead/test-" + i.name + ":dev"
	cmd := exec.CommandContext(ctx, "docker", "build", "--quiet", "--tag", tag, dir)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("docker build: %w: %s", err, out)
	}
	return tag, nil
}

// Promtool returns the path of Prometheus's checker.
func Promtool(ctx context.Context) (string, error) {
	return unpacked(ctx, "prometheus", "usr/bin/promtool")
}

// unpacked returns the path of a file of a Debian package.
func unpacked(ctx context.Context, name, file string) (path string, err error) {
	root, err := harness.Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, ".cache", "debian", name)
	path = filepath.Join(dir, file)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	work := dir + ".unfinished"
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(filepath.Join(work, "tree"), 0o755)); err != nil {
		return "", err
	}
	// By default apt downloads as another user, who may not reach the folder.
	download := exec.CommandContext(ctx, "apt-get", "download", "-o", "APT::Sandbox::User=root", name)
	download.Dir = work
	if out, err := download.CombinedOutput(); err != nil {
		return "", fmt.Errorf("apt-get download %s: %w: %s", name, err, out)
	}
	packages, err := filepath.Glob(filepath.Join(work, name+"_*.deb"))
	if err != nil || len(packages) != 1 {
		return "", fmt.Errorf("apt-get download %s: left %q", name, packages)
	}
	extract := exec.CommandContext(ctx, "dpkg-deb", "--extract", packages[0], filepath.Join(work, "tree"))
	if out, err := extract.CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpack %s: %w: %s", name, err, out)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(filepath.Join(work, "tree"), dir), os.RemoveAll(work)); err != nil {
		return "", fmt.Errorf("unpack %s: %w", name, err)
	}
	return path, nil
}

var (
	libraryLine = regexp.MustCompile(`(?m)^\s*(?:\S+ => )?(/\S+) \(0x`)
	notFound    = regexp.MustCompile(`(?m)^\s*(\S+) => not found`)
)

// linked are the libraries of a program, its loader included.
func linked(ctx context.Context, program string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "ldd", program).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("ldd %s: %w: %s", program, err, out)
	}
	if m := notFound.FindSubmatch(out); m != nil {
		return nil, fmt.Errorf("%s needs %s, which is not installed", program, m[1])
	}
	var all []string
	for _, m := range libraryLine.FindAllStringSubmatch(string(out), -1) {
		all = append(all, m[1])
	}
	return all, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from) // a link is followed
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
