package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// folder is a cluster's folder, locked for as long as it is in use.
type folder struct {
	path string
	mark *os.File
}

// markName tells a folder of ours from any other one: we delete things in it.
const markName = ".kubeup"

// openFolder makes or reuses a cluster's folder. A folder that holds anything
// but a cluster is refused, and so is one whose cluster runs.
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
	// A killed run leaves its description, which describes nothing any more.
	if err := folder.forget(); err != nil {
		f.Close()
		return nil, err
	}
	return folder, nil
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

// description is where cluster.json is while the cluster is usable.
func (f *folder) description() string { return f.file(descriptionName) }

const descriptionName = "cluster.json"

func (f *folder) forget() error {
	if err := os.Remove(f.description()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cluster folder: %w", err)
	}
	return nil
}

func (f *folder) close() error { return f.mark.Close() }
