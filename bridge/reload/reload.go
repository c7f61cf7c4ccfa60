package reload

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// interval is the least time between two looks at the file: with it, what
	// asks often enough has a change within a second.
	interval = time.Second / 2
	// maxSize bounds a file, in bytes: one that is larger was named by mistake.
	maxSize = 16 << 20
)

// File is a value of type T kept in step with a file. It is safe for
// concurrent use.
type File[T any] struct {
	path  string
	parse func([]byte) (T, error)
	log   *slog.Logger

	value  atomic.Pointer[T]
	looked atomic.Int64 // nanoseconds since start
	start  time.Time

	mu    sync.Mutex // guards stamp; held while reading
	stamp stamp
}

// stamp changes when the file is written or, as with secrets mounted by
// Kubernetes, a link on its path is moved.
type stamp struct {
	modified time.Time
	size     int64
}

// Open reads and parses the file. parse must keep nothing of its argument.
func Open[T any](path string, log *slog.Logger, parse func([]byte) (T, error)) (*File[T], error) {
	f := &File[T]{path: path, parse: parse, log: log, start: time.Now()}
	f.stamp = f.stat() // before reading: a change in between is seen as one
	v, err := f.read()
	if err != nil {
		return nil, err
	}
	f.value.Store(&v)
	return f, nil
}

// Get returns the current value, which must not be modified.
func (f *File[T]) Get() *T {
	now := int64(time.Since(f.start))
	if last := f.looked.Load(); now-last >= int64(interval) && f.looked.CompareAndSwap(last, now) {
		f.refresh()
	}
	return f.value.Load()
}

func (f *File[T]) refresh() {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stat()
	if s == f.stamp {
		return
	}
	f.stamp = s
	v, err := f.read()
	if err != nil {
		f.log.Error("changed file cannot be used, what it said before still holds", "error", err)
		return
	}
	f.value.Store(&v)
	f.log.Info("read changed file", "file", f.path)
}

func (f *File[T]) stat() stamp {
	info, err := os.Stat(f.path)
	if err != nil {
		return stamp{size: -1} // reading it will say why
	}
	return stamp{modified: info.ModTime(), size: info.Size()}
}

func (f *File[T]) read() (T, error) {
	var none T
	file, err := os.Open(f.path)
	if err != nil {
		return none, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return none, fmt.Errorf("read %s: %w", f.path, err)
	}
	if len(b) > maxSize {
		return none, fmt.Errorf("%s: larger than %d bytes", f.path, maxSize)
	}
	v, err := f.parse(b)
	if err != nil {
		return none, fmt.Errorf("%s: %w", f.path, err)
	}
	return v, nil
}
