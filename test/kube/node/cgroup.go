package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/fairlead-io/fairlead/test/kube/process"
)

// hierarchy is a mounted cgroup tree.
type hierarchy struct {
	path        string
	controllers []string // of v1; empty means v2
}

func (h hierarchy) v2() bool { return len(h.controllers) == 0 }

// hierarchies lists the mounted trees in which containers get a place.
func hierarchies() ([]hierarchy, error) {
	all, err := allHierarchies()
	if err != nil {
		return nil, err
	}
	return controlling(all)
}

// allHierarchies lists every mounted tree.
func allHierarchies() ([]hierarchy, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("list cgroups: %w", err)
	}
	defer f.Close()
	return parseHierarchies(f)
}

// controlling picks the trees that limit containers: all of v1, or the one of
// v2. With v1 trees around, a v2 tree has no controllers.
func controlling(all []hierarchy) ([]hierarchy, error) {
	var v1, v2 []hierarchy
	for _, h := range all {
		if h.v2() {
			v2 = append(v2, h)
		} else {
			v1 = append(v1, h)
		}
	}
	switch {
	case len(v1) > 0:
		return v1, nil
	case len(v2) > 0:
		return v2[:1], nil
	}
	return nil, errors.New("none are mounted")
}

var controllerNames = []string{"cpuset", "cpu", "cpuacct", "memory", "pids", "devices", "freezer",
	"blkio", "net_cls", "net_prio", "perf_event", "hugetlb", "rdma", "misc", "name=systemd"}

// parseHierarchies reads the format of /proc/self/mounts.
func parseHierarchies(mounts io.Reader) ([]hierarchy, error) {
	var all []hierarchy
	scanner := bufio.NewScanner(mounts)
	for scanner.Scan() {
		fields := strings.Fields(scanner.Text())
		if len(fields) < 4 {
			continue
		}
		switch fields[2] {
		case "cgroup2":
			all = append(all, hierarchy{path: fields[1]})
		case "cgroup":
			if controllers := controllersOf(fields[3]); len(controllers) > 0 {
				all = append(all, hierarchy{path: fields[1], controllers: controllers})
			}
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("list cgroups: %w", err)
	}
	return all, nil
}

// controllersOf returns the controllers among the options of a mount.
func controllersOf(options string) []string {
	var controllers []string
	all := strings.Split(options, ",")
	for _, name := range controllerNames {
		if slices.Contains(all, name) {
			controllers = append(controllers, name)
		}
	}
	return controllers
}

// runtimeGroup is the cgroup of the kubelet, containerd and what they start
// outside of pods.
const runtimeGroup = "runtime"

// makeGroups makes the slot's cgroup in every tree. The kubelet needs its root to
// exist, and Clean finds every process by the runtime's group.
func makeGroups(name string) error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range trees {
		if h.v2() {
			// Each may be missing in this kernel. The kubelet reports those that it
			// needs.
			for _, c := range []string{"cpuset", "cpu", "io", "memory", "pids", "hugetlb"} {
				os.WriteFile(filepath.Join(h.path, "cgroup.subtree_control"), []byte("+"+c), 0)
			}
		}
		if err := os.MkdirAll(filepath.Join(h.path, name, runtimeGroup), 0o755); err != nil {
			return fmt.Errorf("make cgroup: %w", err)
		}
	}
	return nil
}

// enterGroup moves a process that has no children yet into the runtime's
// group; its children inherit that.
func enterGroup(name string, pid int) error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	entered := false
	for _, h := range trees {
		if !h.v2() && h.controllers[0] == "cpuset" {
			continue // a new cpuset is empty and accepts no process
		}
		procs := filepath.Join(h.path, name, runtimeGroup, "cgroup.procs")
		if err := os.WriteFile(procs, []byte(strconv.Itoa(pid)), 0); err != nil {
			return fmt.Errorf("enter cgroup: %w", err)
		}
		entered = true
	}
	if !entered {
		return errors.New("enter cgroup: no usable tree is mounted")
	}
	return nil
}

// removeGroups kills every process in the slot's cgroups and removes them, in trees
// without controllers too: runc makes groups in all of them.
func removeGroups(ctx context.Context, name string) error {
	trees, err := allHierarchies()
	if err != nil {
		return err
	}
	return process.Until(ctx, "the processes of the node to end", killWithin, nil, func(context.Context) error {
		var errs []error
		for _, h := range trees {
			errs = append(errs, removeGroup(filepath.Join(h.path, name)))
		}
		return errors.Join(errs...)
	})
}

// removeGroup makes one attempt at a tree. A killed process stays in its group
// for a moment, in which the group cannot be removed.
func removeGroup(root string) error {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("walk cgroup: %w", err)
	}
	var last error
	for i := len(dirs) - 1; i >= 0; i-- { // children come after their parents
		if err := killGroup(dirs[i]); err != nil {
			last = err
			continue
		}
		if err := syscall.Rmdir(dirs[i]); err != nil && !errors.Is(err, syscall.ENOENT) {
			last = fmt.Errorf("remove cgroup %s: %w", dirs[i], err)
		}
	}
	return last
}

func killGroup(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	for _, field := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(field)
		if err != nil || pid <= 1 { // 0 stands for a process of another pid namespace
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d of the node: %w", pid, err)
		}
	}
	return nil
}
