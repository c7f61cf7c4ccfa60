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
	"time"

	"github.com/fairlead-io/fairlead/test/kube/slot"
)

// killWithin bounds how long killed processes take to be gone.
const killWithin = 20 * time.Second

// Leftovers lists the slots that have traces of a node on this machine: of one that
// runs, or of one that was killed together with its reaper.
func Leftovers() ([]slot.Slot, error) {
	dirs, err := filepath.Glob("/run/" + slot.NamePrefix + "*")
	if err != nil {
		return nil, fmt.Errorf("list leftovers: %w", err)
	}
	var slots []slot.Slot
	for _, dir := range dirs {
		n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), slot.NamePrefix))
		if err == nil && n >= 1 && n <= slot.Count {
			slots = append(slots, slot.Slot{Number: n})
		}
	}
	return slots, nil
}

// Clean removes every trace of the slot's node from the machine, running or not. It
// continues after a failure and reports all of them.
func Clean(ctx context.Context, s slot.Slot) error {
	p := places{s}
	// Processes first: they hold mounts and namespaces.
	if err := removeGroups(ctx, s.Name()); err != nil {
		return fmt.Errorf("clean node: %w", err)
	}
	return errors.Join(
		removeShimSockets(p),
		unmountBelow(p.run(), p.lib()),
		removeInside(ctx, p),
		removeBridge(ctx, p),
		removeShared(p),
		restoreKernel(p),
		removeTree(p.lib()),
		removeTree(p.run()),
	)
}

// removeShimSockets removes the sockets of containerd's shims. They lie in a
// folder that all containerds share, under names that only containerd's state has.
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
			continue // unknown; leave it alone
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
		if err := detach(m); err != nil {
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

// parseMounts returns the mounts of a mountinfo at or below the folders.
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
	cached, err := os.ReadDir(cacheDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	var names []string
	for _, entry := range cached {
		names = append(names, entry.Name())
	}
	for _, name := range cacheOf(p.network(), names) {
		errs = append(errs, os.Remove(filepath.Join(cacheDir, name)))
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

// cacheDir is where the network library caches a result for each sandbox and
// network, in files called NETWORK-SANDBOX-INTERFACE.
const cacheDir = "/var/lib/cni/results"

// cacheOf picks the files of our network, and the files of our sandboxes in the
// loopback network, which all clusters share.
func cacheOf(network string, names []string) []string {
	var ours []string
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, network+"-")
		if !ok {
			continue
		}
		ours = append(ours, name)
		sandbox, _, _ := strings.Cut(rest, "-")
		if loopback := "cni-loopback-" + sandbox + "-lo"; slices.Contains(names, loopback) {
			ours = append(ours, loopback)
		}
	}
	return ours
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
