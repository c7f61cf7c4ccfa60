package approval

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// fileStore is a [Store] in a file of one bridge.
type fileStore struct {
	path string

	mu       sync.Mutex // held while the file is written
	learner  Learner
	requests map[string]Request
}

// openFile reads the file at path, which need not exist. Its folder must.
func openFile(path string) (*fileStore, error) {
	all, err := load(path)
	if err != nil {
		return nil, err
	}
	f := &fileStore{path: path, requests: make(map[string]Request, len(all))}
	for _, r := range all {
		f.requests[r.ID] = r
	}
	// Told now, and not when the first caller asks.
	if err := save(path, f.list()); err != nil {
		return nil, fmt.Errorf("approvals: %w", err)
	}
	return f, nil
}

// Start implements [Store].
func (f *fileStore) Start(l Learner) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.learner = l
	for _, r := range f.requests {
		l.Learn(r, "")
	}
	return nil
}

// Put implements [Store].
func (f *fileStore) Put(_ context.Context, r, instead Request) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.requests
	f.requests = make(map[string]Request, len(before)+1)
	for id, other := range before {
		if id != instead.ID && !other.Forgotten(time.Now()) {
			f.requests[id] = other
		}
	}
	f.requests[r.ID] = r
	if err := save(f.path, f.list()); err != nil {
		f.requests = before
		return err
	}
	f.learner.Learn(r, instead.ID)
	return nil
}

// list returns what is kept, the newest first. The caller holds mu, or is alone.
func (f *fileStore) list() []Request {
	all := make([]Request, 0, len(f.requests))
	for _, r := range f.requests {
		all = append(all, r)
	}
	slices.SortFunc(all, newestFirst)
	return all
}

func newestFirst(a, b Request) int {
	return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
}

// Err implements [Store].
func (f *fileStore) Err() error { return nil }

// Age implements [Store]: no other bridge writes the file.
func (f *fileStore) Age() time.Duration { return 0 }

// Close implements [Store].
func (f *fileStore) Close() {}

// file is what is on disk.
type file struct {
	Version  int       `json:"version"`
	Requests []Request `json:"requests"`
}

const fileVersion = 1

// load reads the file; one that does not exist has no requests.
func load(path string) ([]Request, error) {
	b, err := read(path)
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

// maxFile bounds the file: MaxKept requests with their commas, and what is around them.
const maxFile = MaxKept*(maxRequest+1) + 64

// read reads the file, unless it is larger than one of a bridge.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: it has more than %d MiB, which is the most that a bridge writes: it was left as it is", path, maxFile>>20)
	}
	return b, err
}

// Check reports that the file at path has no requests that can be read; one that does
// not exist is good.
func Check(path string) error {
	_, err := load(path)
	return err
}

// save replaces the file in one step, and returns when it is on disk.
func save(path string, requests []Request) (err error) {
	b, err := Encode(file{Version: fileVersion, Requests: requests})
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
