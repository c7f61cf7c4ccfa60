package binaries

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Set is a folder of built binaries.
type Set struct {
	Dir     string
	Version string // of Kubernetes, such as v1.34.4
	Fresh   bool   // built by this call, not found in the cache
}

// The files of a set.
const (
	serverName  = "kubernetes" // every server, chosen by the first argument
	kubectlName = "kubectl"
	pauseName   = "pause"
)

// Server, Kubectl and Pause are the paths of the binaries.
func (s Set) Server() string  { return filepath.Join(s.Dir, serverName) }
func (s Set) Kubectl() string { return filepath.Join(s.Dir, kubectlName) }
func (s Set) Pause() string   { return filepath.Join(s.Dir, pauseName) }

// lockWait bounds the wait for another build; a cold one takes about 10 minutes
// on two cores.
const lockWait = 45 * time.Minute

// Ensure returns the set for the module in folder module. It builds the set below
// cache if it is not there. progress is called with one line at a time.
func Ensure(ctx context.Context, module, cache string, progress func(string)) (Set, error) {
	goVersion, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return Set{}, fmt.Errorf("build: ask go for its version: %w", err)
	}
	key, err := Key(os.DirFS(module), strings.TrimSpace(string(goVersion)), runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return Set{}, fmt.Errorf("build: %w", err)
	}
	version, _, _ := strings.Cut(key, "-")
	set := Set{Dir: filepath.Join(cache, key), Version: version}
	if exists(set.Dir) {
		return set, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Set{}, fmt.Errorf("build: cache folder: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(cache, "lock"), progress)
	if err != nil {
		return Set{}, fmt.Errorf("build: %w", err)
	}
	defer unlock()
	if exists(set.Dir) { // another run built it while we waited
		return set, nil
	}
	work := set.Dir + ".partial" // nobody else uses it while we hold the lock
	if err := os.RemoveAll(work); err != nil {
		return Set{}, fmt.Errorf("build: clear an aborted build: %w", err)
	}
	// The small ones come first: a mistake then shows before the long build.
	for _, name := range []string{pauseName, serverName, kubectlName} {
		if err := compile(ctx, module, version, name, filepath.Join(work, name), progress); err != nil {
			return Set{}, fmt.Errorf("build: %w", err)
		}
	}
	if err := os.Rename(work, set.Dir); err != nil {
		return Set{}, fmt.Errorf("build: publish: %w", err)
	}
	set.Fresh = true
	return set, nil
}

func exists(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}

// lock takes an exclusive lock that the kernel drops when we die.
func lock(ctx context.Context, path string, progress func(string)) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	said := time.Time{}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if time.Since(said) >= reportEvery {
			progress("another run is building, waiting for it")
			said = time.Now()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}
