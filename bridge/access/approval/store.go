package approval

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// file is what is on disk.
type file struct {
	Version  int       `json:"version"`
	Requests []Request `json:"requests"`
}

const fileVersion = 1

// load reads the file; one that does not exist has no requests.
func load(path string) ([]Request, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("approvals: %w", err)
	}
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("approvals: %s: %w", path, err)
	}
	if f.Version != fileVersion {
		return nil, fmt.Errorf("approvals: %s: version %d is not %d, that of this bridge", path, f.Version, fileVersion)
	}
	return f.Requests, nil
}

// Check reports that the file at path has no requests that can be read; one that does
// not exist is good.
func Check(path string) error {
	_, err := load(path)
	return err
}

// save replaces the file in one step, and returns when it is on disk.
func save(path string, requests []Request) (err error) {
	b, err := json.Marshal(file{Version: fileVersion, Requests: requests})
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	dir := filepath.Dir(path)
	next, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(next.Name())
		}
	}()
	if _, err = next.Write(b); err != nil {
		return errors.Join(err, next.Close())
	}
	if err = errors.Join(next.Sync(), next.Close()); err != nil {
		return err
	}
	if err = os.Rename(next.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
