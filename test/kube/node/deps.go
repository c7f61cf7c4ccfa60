package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// dependency is a program or file that a node needs, and the Debian package that
// has it.
type dependency struct {
	pkg   string
	paths []string // any of these; a bare name is looked up in PATH
}

var dependencies = []dependency{
	{"containerd", []string{"containerd"}},
	{"containerd", []string{"ctr"}},
	{"runc", []string{"runc"}},
	{"containernetworking-plugins", pluginPaths("bridge")},
	{"containernetworking-plugins", pluginPaths("host-local")},
	{"busybox-static", busyboxPaths},
	{"iproute2", []string{"ip"}},
	{"mount", []string{"mount"}},
}

// serviceDependencies are needed for services in addition.
var serviceDependencies = []dependency{
	{"iptables", iptablesPaths},
	{"util-linux", []string{"nsenter"}},
}

var all = slices.Concat(dependencies, serviceDependencies)

var iptablesPaths = []string{"iptables"}

// pluginFolders is where distributions put network plugins.
var pluginFolders = []string{"/usr/lib/cni", "/opt/cni/bin"}

var busyboxPaths = []string{"/bin/busybox", "/usr/bin/busybox"}

func pluginPaths(name string) []string {
	var paths []string
	for _, dir := range pluginFolders {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths
}

// find returns the first of paths that exists.
func find(paths []string) (string, error) {
	for _, p := range paths {
		// root's PATH may lack sbin when a program was started by hand
		for _, dir := range []string{"", "/usr/sbin", "/sbin"} {
			candidate := p
			if dir != "" {
				if filepath.IsAbs(p) {
					continue
				}
				candidate = filepath.Join(dir, p)
			}
			if found, err := exec.LookPath(candidate); err == nil {
				return found, nil
			}
		}
	}
	return "", fmt.Errorf("%s: not found", strings.Join(paths, " or "))
}

// missing lists the packages whose programs do not exist here.
func missing(needed ...dependency) []string {
	var pkgs []string
	seen := map[string]bool{}
	for _, d := range needed {
		if _, err := find(d.paths); err != nil && !seen[d.pkg] {
			seen[d.pkg] = true
			pkgs = append(pkgs, d.pkg)
		}
	}
	return pkgs
}

// Possible returns nil if this machine can be a node, or the reason why it cannot.
func Possible(services bool) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("a node needs Linux, this is %s", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("a node needs root")
	}
	needed := dependencies
	if services {
		needed = all
	}
	if pkgs := missing(needed...); len(pkgs) > 0 {
		return fmt.Errorf("a node needs the Debian packages %s: run kubeup node-deps", strings.Join(pkgs, " "))
	}
	if _, err := hierarchies(); err != nil {
		return fmt.Errorf("a node needs cgroups: %w", err)
	}
	return nil
}

// Install installs the packages of which something is missing. It does nothing on a
// machine that has the programs from elsewhere. The package manager's output goes
// to out.
func Install(ctx context.Context, out io.Writer, progress func(string)) error {
	pkgs := missing(all...)
	if len(pkgs) == 0 {
		progress("all node dependencies are there")
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("install %s: needs root", strings.Join(pkgs, " "))
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("install %s: this is not Debian: %w", strings.Join(pkgs, " "), err)
	}
	progress("install " + strings.Join(pkgs, " "))
	install := append([]string{
		"install", "-y", "--no-install-recommends",
		"--no-remove", // never trade another container runtime for ours
	}, pkgs...)
	for _, args := range [][]string{{"update"}, install} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", args[0], err)
		}
	}
	if pkgs := missing(all...); len(pkgs) > 0 {
		return fmt.Errorf("install: still missing afterwards: %s", strings.Join(pkgs, " "))
	}
	progress("node dependencies are installed")
	return nil
}
