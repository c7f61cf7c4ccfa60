package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead-io/fairlead/test/kube/slot"
)

// killWithin bounds how long killed processes may take to be gone.
const killWithin = 20 * time.Second

// Clean removes every trace of the slot's node from the machine, running or
// not. It goes on after a failure and reports them all.
func Clean(ctx context.Context, s slot.Slot) error {
	p := places{s}
	// Processes first: they hold mounts and namespaces.
	if err := removeGroups(ctx, s.Name()); err != nil {
		return fmt.Errorf("clean node: %w", err)
	}
	return errors.Join(
		removeShimSockets(p),
		unmountBelow(p.run(), p.lib()),
		removeBridge(ctx, p),
		removeShared(p),
		restoreKernel(p),
		removeTree(p.lib()),
		removeTree(p.run()),
	)
}

// removeShimSockets removes the sockets of containerd's shims. They lie in a
// folder that all containerds share, under names that only the state tells.
func removeShimSockets(p places) error {
	files, err := filepath.Glob(filepath.Join(p.containerState(), "io.containerd.runtime.v2.task", "*", "*", "address"))
	if err != nil {
		return fmt.Errorf("list shims: %w", err)
	}
	var errs []error
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			errs = append(errs, fmt.Errorf("list shims: %w", err))
			continue
		}
		socket := strings.TrimPrefix(strings.TrimSpace(string(data)), "unix://")
		if filepath.Dir(socket) != "/run/containerd/s" {
			continue // not what we know; leave it alone
		}
		if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove shim socket: %w", err))
		}
	}
	return errors.Join(errs...)
}

// unmountBelow detaches every mount at or below the folders, deepest first.
func unmountBelow(dirs ...string) error {
	mounts, err := mountsBelow(dirs...)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range slices.Backward(mounts) { // later ones lie on earlier ones
		if err := syscall.Unmount(m, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", m, err))
		}
	}
	return errors.Join(errs...)
}

func mountsBelow(dirs ...string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	return parseMounts(string(data), dirs...), nil
}

// parseMounts picks from a mountinfo what is mounted at or below the folders.
func parseMounts(mountinfo string, dirs ...string) []string {
	var found []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		at := unescape(fields[4])
		for _, dir := range dirs {
			if at == dir || strings.HasPrefix(at, dir+"/") {
				found = append(found, at)
				break
			}
		}
	}
	return found
}

// unescape undoes the kernel's octal escapes for blanks and the like.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// removeShared removes our entries from folders that others use as well.
func removeShared(p places) error {
	var errs []error
	// The network library caches a result per container and network.
	cached, err := filepath.Glob("/var/lib/cni/results/" + p.network() + "-*")
	errs = append(errs, err)
	for _, f := range cached {
		errs = append(errs, os.Remove(f))
	}
	// The kubelet keeps links to the logs of its containers.
	links, err := filepath.Glob("/var/log/containers/*.log")
	errs = append(errs, err)
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, p.podLogs()+"/") {
			errs = append(errs, os.Remove(link))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove shared entries: %w", err)
	}
	return nil
}

// removeTree deletes a folder, unless something is still mounted in it: that
// could be a folder of the machine.
func removeTree(dir string) error {
	mounts, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	if len(mounts) > 0 {
		return fmt.Errorf("remove %s: %s is still mounted", dir, strings.Join(mounts, ", "))
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}
