package reload

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/deploy/redact"
)

// PollInterval is the least time between two polls of the files when values are
// asked for. A poll costs one system call for each file. Together with [settleTime]
// it keeps the promise that a change takes effect within a second.
const PollInterval = time.Second / 4

// File is a value of type T that is kept in step with one file or several. It
// is safe for concurrent use.
type File[T any] struct {
	what  string
	parse func([][]byte) (T, error)
	log   *slog.Logger

	value  atomic.Pointer[T]
	status atomic.Pointer[Status]
	start  time.Time    // polled counts from it
	polled atomic.Int64 // nanoseconds

	mu     sync.Mutex // guards the rest; held while reading and parsing
	source source
	err    error // why the files as they are now cannot be used; nil: value is from them
}

// Open reads and parses the file at path, which must succeed. what says in log
// lines and errors what the file holds, such as "tokens". A nil log discards.
//
// parse is called once for each change and never concurrently. It may keep the
// content. Its error must show no secret: it is logged. What looks like a credential is
// taken out of it.
func Open[T any](what, path string, log *slog.Logger, parse func(content []byte) (T, error)) (*File[T], error) {
	return OpenAll(what, []string{path}, log, func(contents [][]byte) (T, error) { return parse(contents[0]) })
}

// Status is how a value and its files stand.
type Status struct {
	// Read is when the files of the value were read.
	Read time.Time
	// Refused is why the files as they are now cannot be used, so that an older value
	// stays; nil: the value is from them.
	Refused error
	// Certificates are those of the value, for files that have some.
	Certificates []Certificate
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
		err = f.store(contents)
	}
	if err != nil {
		return nil, f.explain(err)
	}
	return f, nil
}

// Get returns the current value, which must not be modified. It polls the files
// first if the last poll was at least [PollInterval] ago.
func (f *File[T]) Get() T {
	now := int64(time.Since(f.start))
	if last := f.polled.Load(); now-last >= int64(PollInterval) && f.polled.CompareAndSwap(last, now) {
		f.mu.Lock()
		f.refresh()
		f.mu.Unlock()
	}
	return *f.value.Load()
}

// Peek returns the value as of the last poll. It does not block.
func (f *File[T]) Peek() T { return *f.value.Load() }

// Poll checks the files for a change now. It returns the current value. If the files
// as they are now cannot be used, it also returns the reason; the value is then the
// last good one. The error stays the same one until the files change again.
func (f *File[T]) Poll() (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.polled.Store(int64(time.Since(f.start)))
	f.refresh()
	return *f.value.Load(), f.err
}

// Status returns how the value and its files stood at the last poll. It does not block.
func (f *File[T]) Status() Status { return *f.status.Load() }

// Run polls the files every [PollInterval] until ctx ends, then it returns nil. It is
// for values whose change must take effect even when no caller asks for them.
func (f *File[T]) Run(ctx context.Context) error {
	tick := time.NewTicker(PollInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_, _ = f.Poll() // the error has been logged
		case <-ctx.Done():
			return nil
		}
	}
}

// refresh applies a change, if there is one. The caller holds mu.
func (f *File[T]) refresh() {
	contents, changed, err := f.source.next(time.Now())
	if !changed {
		return
	}
	if err == nil {
		err = f.store(contents)
	}
	if f.err = err; err != nil {
		f.err = f.explain(err)
		f.status.Store(&Status{Read: f.Status().Read, Refused: f.err})
		f.log.Error("changed file cannot be used; keeping what was read before", "error", f.err)
		return
	}
	f.log.Info("read changed file", "what", f.what, "file", f.source.paths[0])
}

// store parses contents, and makes the result the current value.
func (f *File[T]) store(contents [][]byte) error {
	v, err := f.parse(contents)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(f.source.paths, ", "), err)
	}
	f.value.Store(&v)
	f.status.Store(&Status{Read: time.Now()})
	return nil
}

// explain says which file an error is about, without what looks like a credential.
func (f *File[T]) explain(err error) error { return redact.Error(fmt.Errorf("%s: %w", f.what, err)) }
