package sink

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// FileConfig configures a [File].
type FileConfig struct {
	Path string
	// MaxBytes is the size in bytes at which the file is rotated. One batch may be
	// larger, and has a file of its own then.
	MaxBytes int64
	// MaxFiles bounds the files that are kept, the current one among them.
	MaxFiles int
	// MaxAge is the age at which the file is rotated, by its first line, and at which
	// a rotated file is removed, by its last line; 0: never.
	MaxAge time.Duration
	Logger *slog.Logger
}

// Bounds in time of a file.
const (
	// syncInterval bounds how old a line becomes that nobody asked to sync before it
	// is on the disk.
	syncInterval = 5 * time.Second
	// pruneInterval is how often rotated files are looked at for their age.
	pruneInterval = time.Minute
)

// File is a file that is rotated by size and age. Each process has its own: it is
// locked. New files have mode 0600, or that of the file before them.
type File struct {
	cfg  FileConfig
	open func(path string, mode os.FileMode) (handle, error)

	h     handle // nil: to be opened
	mode  os.FileMode
	size  int64
	first time.Time // when its first line was written; zero: it is empty
	// suspect: what the disk has of it is unknown, so that nothing may be appended.
	suspect bool
	dirty   time.Time // since when it has lines that are not on the disk; zero: none

	pruned, warned time.Time
}

// handle is an [os.File]; tests have one that fails.
type handle interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
	Stat() (os.FileInfo, error)
}

// OpenFile opens or makes the file, and removes a line at its end that a crash has
// torn.
func OpenFile(cfg FileConfig) (*File, error) {
	return openFile(cfg, openHandle)
}

func openFile(cfg FileConfig, open func(string, os.FileMode) (handle, error)) (*File, error) {
	cfg.Path = filepath.Clean(cfg.Path)
	f := &File{cfg: cfg, open: open, mode: 0o600}
	if err := f.reopen(); err != nil {
		return nil, err
	}
	f.prune(time.Now())
	return f, nil
}

// Write implements [Sink].
func (f *File) Write(lines []byte, sync bool) error {
	if err := f.ready(int64(len(lines)), time.Now()); err != nil {
		return err
	}
	if n, err := f.h.Write(lines); err != nil {
		f.undo(n)
		return err
	}
	if f.size == 0 {
		f.first = time.Now()
	}
	f.size += int64(len(lines))
	if sync {
		return f.sync()
	}
	if f.dirty.IsZero() {
		f.dirty = time.Now()
	}
	return nil
}

// undo takes back the part of a batch that was written before an error, such as a
// disk that is full.
func (f *File) undo(n int) {
	if n > 0 && f.h.Truncate(f.size) != nil {
		f.abandon() // it is repaired when it is opened again
	}
}

// sync puts everything on the disk. After an error nothing is known about any line
// since the last success: the system may have dropped them, and a second sync would
// not say so (fsync(2)). What follows goes to a new file.
func (f *File) sync() error {
	f.dirty = time.Time{}
	if err := f.h.Sync(); err != nil {
		f.suspect = true
		return err
	}
	return nil
}

// ready makes the file one that takes n more bytes.
func (f *File) ready(n int64, now time.Time) error {
	if f.h == nil {
		if err := f.reopen(); err != nil {
			return err
		}
	}
	old := f.cfg.MaxAge > 0 && !f.first.IsZero() && now.Sub(f.first) >= f.cfg.MaxAge
	if f.size > 0 && (f.suspect || old || f.size+n > f.cfg.MaxBytes) {
		return f.rotate(now)
	}
	return nil
}

// Tick implements [Sink].
func (f *File) Tick(now time.Time) error {
	if f.h != nil && f.moved() {
		_ = f.sync()
		f.abandon()
	}
	if err := f.ready(0, now); err != nil {
		return f.warn(now, err)
	}
	if now.Sub(f.pruned) >= pruneInterval {
		f.prune(now)
	}
	if !f.dirty.IsZero() && now.Sub(f.dirty) >= syncInterval {
		return f.warn(now, f.sync())
	}
	return nil
}

// warn returns an error that was not returned within the last minute.
func (f *File) warn(now time.Time, err error) error {
	if err == nil || now.Sub(f.warned) < reportInterval {
		return nil
	}
	f.warned = now
	return err
}

// moved reports whether the file is no longer at its path, because something else
// renamed or removed it.
func (f *File) moved() bool {
	ours, err := f.h.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(f.cfg.Path)
	return errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(ours, there)
}

// abandon closes the file; the next write opens it again.
func (f *File) abandon() {
	_ = f.h.Close()
	f.h, f.size, f.first, f.suspect, f.dirty = nil, 0, time.Time{}, false, time.Time{}
}

// Close implements [Sink].
func (f *File) Close() error {
	if f.h == nil {
		return nil
	}
	err := errors.Join(f.h.Sync(), f.h.Close())
	f.h = nil
	return err
}

// reopen opens the file at its path, or makes one.
func (f *File) reopen() error {
	h, err := f.open(f.cfg.Path, f.mode)
	if err != nil {
		return err
	}
	info, err := h.Stat()
	if err != nil {
		_ = h.Close()
		return err
	}
	f.h, f.mode, f.size, f.first = h, info.Mode().Perm(), info.Size(), time.Time{}
	if f.size == 0 {
		return syncDir(filepath.Dir(f.cfg.Path))
	}
	torn, first, err := inspect(f.cfg.Path, f.size)
	if err == nil && torn > 0 {
		err = h.Truncate(f.size - torn)
		f.size -= torn
		f.cfg.Logger.Warn("removed a line that was torn by a crash from the end of the audit file", "file", f.cfg.Path, "bytes", torn)
	}
	if err != nil {
		f.abandon()
		return fmt.Errorf("repair %s: %w", f.cfg.Path, err)
	}
	if f.size > 0 {
		f.first = first
	}
	return nil
}

// openHandle opens a file to append to it, and locks it.
func openHandle(path string, mode os.FileMode) (handle, error) {
	_, before := os.Stat(path)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, mode)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err == nil {
		err = lock(f)
	}
	if err == nil && errors.Is(before, os.ErrNotExist) {
		err = f.Chmod(mode) // whatever the umask
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
