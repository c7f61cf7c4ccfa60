package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// folder is a cluster's folder, locked while it is in use.
type folder struct {
	path string
	mark *os.File
}

// markName is the file that marks a folder as ours, since we delete files in it.
const markName = ".kubeup"

// openFolder makes or reuses a cluster's folder. It refuses a folder that holds
// anything else, or whose cluster runs.
func openFolder(path string) (*folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cluster folder: %w", err)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("cluster folder: %w", err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("cluster folder: %w", err)
	}
	mark := filepath.Join(path, markName)
	if _, err := os.Stat(mark); err != nil && len(entries) > 0 {
		return nil, fmt.Errorf("cluster folder: %s is neither empty nor a cluster's folder", path)
	}
	f, err := os.OpenFile(mark, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cluster folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("cluster folder: a cluster runs in %s", path)
		}
		return nil, fmt.Errorf("cluster folder: lock: %w", err)
	}
	folder := &folder{path: path, mark: f}
	// A killed run leaves a description of a cluster that no longer exists.
	if err := folder.forget(); err != nil {
		f.Close()
		return nil, err
	}
	return folder, nil
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

// description is the path of cluster.json, which exists while the cluster is usable.
func (f *folder) description() string { return f.file(descriptionName) }

const descriptionName = "cluster.json"

func (f *folder) forget() error {
	if err := os.Remove(f.description()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cluster folder: %w", err)
	}
	return nil
}

func (f *folder) close() error { return f.mark.Close() }
