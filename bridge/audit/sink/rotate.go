package sink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// stamp is the time of a rotation in a file's name: names in alphabetical order are
// in the order of time.
const stamp = "20060102T150405.000000000Z"

// rotate renames the file and opens a new one. Where it cannot be renamed, it is
// written on, if it may: a file that is too large loses nothing.
func (f *File) rotate(now time.Time) error {
	suspect := f.suspect
	if err := f.warn(now, f.sync()); err != nil {
		f.cfg.Logger.Error("the audit file cannot be synced before its rotation", "error", err)
	}
	next, err := f.rotated(now)
	if err == nil {
		err = os.Rename(f.cfg.Path, next)
	}
	if err != nil {
		if suspect {
			return fmt.Errorf("rotate after a sync that failed: %w", err)
		}
		if err = f.warn(now, err); err != nil {
			f.cfg.Logger.Error("the audit file cannot be rotated and goes on growing", "error", err)
		}
		return nil
	}
	f.abandon()
	if err := f.reopen(); err != nil {
		return err
	}
	f.prune(now)
	return nil
}

// rotated returns a name that no file has: audit-20261128T091502.123456789Z.log for
// audit.log.
func (f *File) rotated(now time.Time) (string, error) {
	before, ext := f.parts()
	for {
		name := before + now.UTC().Format(stamp) + ext
		_, err := os.Lstat(name)
		if errors.Is(err, os.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
		now = now.Add(1)
	}
}

// parts are what stands before and after the time in the name of a rotated file.
func (f *File) parts() (before, ext string) {
	ext = filepath.Ext(f.cfg.Path)
	return strings.TrimSuffix(f.cfg.Path, ext) + "-", ext
}

// prune removes the rotated files that are too many or too old. What cannot be
// removed is logged.
func (f *File) prune(now time.Time) {
	f.pruned = now
	old, err := f.old()
	keep := max(f.cfg.MaxFiles-1, 0)
	for i, name := range old { // the oldest first
		tooOld := f.cfg.MaxAge > 0 && now.Sub(f.rotatedAt(name)) >= f.cfg.MaxAge
		if len(old)-i > keep || tooOld {
			err = errors.Join(err, os.Remove(name))
		}
	}
	if err = f.warn(now, err); err != nil {
		f.cfg.Logger.Error("old audit files cannot be removed", "error", err)
	}
}

// old returns the rotated files in the order of time.
func (f *File) old() (names []string, err error) {
	dir := filepath.Dir(f.cfg.Path)
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if name := filepath.Join(dir, e.Name()); e.Type().IsRegular() && !f.rotatedAt(name).IsZero() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, err
}

// rotatedAt returns the time in the name of a rotated file; zero: it is not one of
// ours.
func (f *File) rotatedAt(name string) time.Time {
	before, ext := f.parts()
	text, ok := strings.CutPrefix(name, before)
	if !ok || len(text) != len(stamp)+len(ext) || !strings.HasSuffix(text, ext) {
		return time.Time{}
	}
	t, err := time.Parse(stamp, strings.TrimSuffix(text, ext))
	if err != nil {
		return time.Time{}
	}
	return t
}

// inspect returns how many bytes at the end of a file are not a whole line, and the
// time of its first line: that of the event if it is one, else now.
func inspect(path string, size int64) (torn int64, first time.Time, err error) {
	r, err := os.Open(path)
	if err != nil {
		return 0, time.Time{}, err
	}
	defer r.Close()
	if first, err = firstTime(r); err != nil {
		return 0, time.Time{}, err
	}
	chunk := make([]byte, 64<<10)
	for end := size; end > 0; {
		start := max(end-int64(len(chunk)), 0)
		b := chunk[:end-start]
		if _, err := r.ReadAt(b, start); err != nil {
			return 0, time.Time{}, err
		}
		if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
			return size - (start + int64(i) + 1), first, nil
		}
		end = start
	}
	return size, first, nil
}

// maxEventHead bounds how far into a file its first line is looked for, in bytes:
// that is more than the largest event.
const maxEventHead = 1 << 20

func firstTime(r io.ReaderAt) (time.Time, error) {
	var event struct{ Time time.Time }
	switch err := json.NewDecoder(io.NewSectionReader(r, 0, maxEventHead)).Decode(&event); {
	case err == nil && !event.Time.IsZero():
		return event.Time, nil
	case errors.As(err, new(*os.PathError)):
		return time.Time{}, err
	}
	return time.Now(), nil
}

// syncDir makes a new name in a folder survive a loss of power. Not every file system
// can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	_ = d.Sync()
	return nil
}
