package reload

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// LookInterval is the least time between two looks at the files when values are
// asked for. A look costs one system call a file. Together with [settleTime] it
// keeps the promise that a change counts within a second.
const LookInterval = time.Second / 4

// File is a value of type T that is kept in step with one file or several. It
// is safe for concurrent use.
type File[T any] struct {
	what  string
	parse func([][]byte) (T, error)
	log   *slog.Logger

	value  atomic.Pointer[T]
	start  time.Time    // looked counts from it
	looked atomic.Int64 // nanoseconds

	mu     sync.Mutex // guards the rest; held while reading and parsing
	source source
	err    error // why the files as they are now cannot be used; nil: value is from them
}

// Open reads and parses the file at path, which must succeed. what says in log
// lines and errors what the file holds, such as "tokens". A nil log discards.
//
// parse is called once for each change and never concurrently. It may keep the
// content. Its error must show no secret: it is logged.
func Open[T any](what, path string, log *slog.Logger, parse func(content []byte) (T, error)) (*File[T], error) {
	return OpenAll(what, []string{path}, log, func(contents [][]byte) (T, error) { return parse(contents[0]) })
}

// OpenAll is [Open] for files that only make sense together, such as a
// certificate and its key. parse gets their contents in the order of paths.
func OpenAll[T any](what string, paths []string, log *slog.Logger, parse func(contents [][]byte) (T, error)) (*File[T], error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &File[T]{what: what, parse: parse, log: log, start: time.Now(), source: source{paths: paths}}
	contents, err := f.source.first()
	if err == nil {
		err = f.take(contents)
	}
	if err != nil {
		return nil, f.explain(err)
	}
	return f, nil
}

// Get returns the current value, which must not be modified. Where the last
// look is [LookInterval] ago, it looks at the files first.
func (f *File[T]) Get() T {
	now := int64(time.Since(f.start))
	if last := f.looked.Load(); now-last >= int64(LookInterval) && f.looked.CompareAndSwap(last, now) {
		f.mu.Lock()
		f.refresh()
		f.mu.Unlock()
	}
	return *f.value.Load()
}

// Look looks at the files now. It returns the current value and, where the
// files as they are now cannot be used, the reason: the value is then from
// before. The error stays the same one until the files change again.
func (f *File[T]) Look() (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked.Store(int64(time.Since(f.start)))
	f.refresh()
	return *f.value.Load(), f.err
}

// Run looks at the files once in [LookInterval] until ctx ends, then it returns
// nil. It is for values whose change must have an effect even when nobody asks
// for them.
func (f *File[T]) Run(ctx context.Context) error {
	tick := time.NewTicker(LookInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_, _ = f.Look() // the error has been logged
		case <-ctx.Done():
			return nil
		}
	}
}

// refresh takes up a change, if there is one. The caller holds mu.
func (f *File[T]) refresh() {
	contents, changed, err := f.source.next(time.Now())
	if !changed {
		return
	}
	if err == nil {
		err = f.take(contents)
	}
	if f.err = err; err != nil {
		f.err = f.explain(err)
		f.log.Error("changed file cannot be used; keeping what was read before", "error", f.err)
		return
	}
	f.log.Info("read changed file", "what", f.what, "file", f.source.paths[0])
}

func (f *File[T]) take(contents [][]byte) error {
	v, err := f.parse(contents)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(f.source.paths, ", "), err)
	}
	f.value.Store(&v)
	return nil
}

func (f *File[T]) explain(err error) error { return fmt.Errorf("%s: %w", f.what, err) }
