package sink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func fileConfig(t testing.TB) FileConfig {
	return FileConfig{
		Path: filepath.Join(t.TempDir(), "audit.log"), MaxBytes: 1 << 20, MaxFiles: 100,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func openedFile(t testing.TB, cfg FileConfig) *File {
	t.Helper()
	f, err := OpenFile(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// content is what all files have, the oldest first, and how many there are.
func content(t testing.TB, path string) (string, int) {
	t.Helper()
	f := File{cfg: FileConfig{Path: path}}
	names, err := f.old()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range append(names, path) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String(), len(names) + 1
}

func write(t testing.TB, f *File, lines string) {
	t.Helper()
	if err := f.Write([]byte(lines), false); err != nil {
		t.Fatal(err)
	}
}

func TestFileIsRotatedBySize(t *testing.T) {
	cfg := fileConfig(t)
	cfg.MaxBytes, cfg.MaxFiles = 100, 5
	stranger := filepath.Join(filepath.Dir(cfg.Path), "audit-notes.log")
	if err := os.WriteFile(stranger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := openedFile(t, cfg)
	var want string
	for i := range 100 {
		line := fmt.Sprintf("line %014d\n", i) // five fit
		want += line
		write(t, f, line)
	}
	got, n := content(t, cfg.Path)
	if n != 5 || got != want[len(want)-500:] {
		t.Errorf("%d files with %d bytes, want the last 500 bytes in 5", n, len(got))
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Errorf("a file that is not a rotated one: %v", err)
	}
	write(t, f, strings.Repeat("x", 300)+"\n") // larger than a file
	write(t, f, "after\n")
	if b, err := os.ReadFile(cfg.Path); err != nil || string(b) != "after\n" {
		t.Errorf("after a batch that is larger than a file: %q, %v", b, err)
	}
}

func TestFileIsRotatedByAge(t *testing.T) {
	cfg := fileConfig(t)
	cfg.MaxAge = time.Hour
	f := openedFile(t, cfg)
	write(t, f, "one\n")
	start := time.Now()
	for _, tt := range []struct {
		after time.Duration
		files int
		want  string
	}{
		{59 * time.Minute, 1, "one\n"},
		{61 * time.Minute, 2, "one\n"},
		{120 * time.Minute, 2, "one\n"}, // the last line may be an hour old
		{122 * time.Minute, 1, ""},
	} {
		if err := f.Tick(start.Add(tt.after)); err != nil {
			t.Fatal(err)
		}
		if got, n := content(t, cfg.Path); n != tt.files || got != tt.want {
			t.Errorf("after %v: %d files with %q, want %d with %q", tt.after, n, got, tt.files, tt.want)
		}
	}
	// The age is that of the first event, also of a process before.
	early := start.Add(-2 * time.Hour).UTC().Format(time.RFC3339)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cfg.Path, []byte(`{"time":"`+early+`"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f = openedFile(t, cfg)
	write(t, f, "new\n")
	if b, err := os.ReadFile(cfg.Path); err != nil || string(b) != "new\n" {
		t.Errorf("an old file goes on with %q, %v", b, err)
	}
}

// A line that a crash has torn is removed, whatever its size, and nothing else is.
func TestTornLineIsRemoved(t *testing.T) {
	for _, tt := range []struct{ file, want string }{
		{"a\nb\n", "a\nb\n"},
		{"a\nb", "a\n"},
		{"b", ""},
		{"", ""},
		{"a\n" + strings.Repeat("b", 300<<10), "a\n"},
		{"a\n" + strings.Repeat("\x00", 4096), "a\n"}, // what some file systems leave after a loss of power
	} {
		cfg := fileConfig(t)
		if err := os.WriteFile(cfg.Path, []byte(tt.file), 0o600); err != nil {
			t.Fatal(err)
		}
		f := openedFile(t, cfg)
		write(t, f, "next\n")
		if got, n := content(t, cfg.Path); n != 1 || got != tt.want+"next\n" {
			t.Errorf("%.20q became %.20q in %d files", tt.file, got, n)
		}
	}
}

// Something else renames or removes the file, as logrotate does.
func TestFileThatWasMoved(t *testing.T) {
	cfg := fileConfig(t)
	f := openedFile(t, cfg)
	write(t, f, "one\n")
	if err := os.Rename(cfg.Path, cfg.Path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := f.Tick(time.Now()); err != nil {
		t.Fatal(err)
	}
	write(t, f, "two\n")
	for name, want := range map[string]string{cfg.Path + ".1": "one\n", cfg.Path: "two\n"} {
		if b, err := os.ReadFile(name); err != nil || string(b) != want {
			t.Errorf("%s has %q, %v, want %q", name, b, err, want)
		}
	}
}

// faulty is a file on a disk that can be full or broken.
type faulty struct {
	*os.File
	room     int // bytes until the disk is full; -1: it is not
	sync     error
	truncate error
}

func (f *faulty) Write(b []byte) (int, error) {
	if f.room < 0 || len(b) <= f.room {
		return f.File.Write(b)
	}
	n, _ := f.File.Write(b[:f.room])
	return n, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
}

func (f *faulty) Sync() error {
	if f.sync != nil {
		return f.sync
	}
	return f.File.Sync()
}

func (f *faulty) Truncate(size int64) error {
	if f.truncate != nil {
		return f.truncate
	}
	return f.File.Truncate(size)
}

// faultyFile is a file whose handles get the faults of the last one returned.
func faultyFile(t *testing.T, cfg FileConfig) (*File, func() *faulty) {
	var last *faulty
	f, err := openFile(cfg, func(path string, mode os.FileMode) (handle, error) {
		h, err := openHandle(path, mode)
		if err != nil {
			return nil, err
		}
		last = &faulty{File: h.(*os.File), room: -1}
		return last, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, func() *faulty { return last }
}

// A batch that does not fit the disk is an error, and no part of it stays.
func TestDiskFull(t *testing.T) {
	for _, truncate := range []error{nil, io.ErrUnexpectedEOF} {
		cfg := fileConfig(t)
		f, disk := faultyFile(t, cfg)
		write(t, f, "one\n")
		disk().room, disk().truncate = 6, truncate
		if err := f.Write([]byte("two\nthree\n"), true); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("write to a full disk: %v", err)
		}
		disk().room = -1 // somebody has made room
		write(t, f, "four\n")
		want := "one\nfour\n"
		if truncate != nil { // only what was torn can be told
			want = "one\ntwo\nfour\n"
		}
		if got, n := content(t, cfg.Path); got != want || n != 1 {
			t.Errorf("the file has %q, want %q", got, want)
		}
	}
}

// After a sync that failed nothing is appended: a later sync would say nothing about
// what the system dropped.
func TestSyncThatFails(t *testing.T) {
	cfg := fileConfig(t)
	f, disk := faultyFile(t, cfg)
	write(t, f, "one\n")
	disk().sync = syscall.EIO
	if err := f.Write([]byte("two\n"), true); !errors.Is(err, syscall.EIO) {
		t.Fatalf("sync that fails: %v", err)
	}
	if err := f.Write([]byte("three\n"), true); err != nil {
		t.Fatal(err)
	}
	got, n := content(t, cfg.Path)
	current, err := os.ReadFile(cfg.Path)
	if got != "one\ntwo\nthree\n" || n != 2 || err != nil || string(current) != "three\n" {
		t.Errorf("%d files with %q, the last with %q", n, got, current)
	}
	// What nobody asked to sync is on the disk within seconds, or it is an error.
	write(t, f, "four\n")
	disk().sync = syscall.EIO
	f.warned = time.Time{}
	now := time.Now()
	if err := f.Tick(now.Add(syncInterval - time.Second)); err != nil {
		t.Errorf("synced early: %v", err)
	}
	if err := f.Tick(now.Add(syncInterval + time.Second)); !errors.Is(err, syscall.EIO) {
		t.Errorf("sync after %v: %v", syncInterval, err)
	}
}

// A file that cannot be rotated loses nothing.
func TestRotationThatFails(t *testing.T) {
	cfg := fileConfig(t)
	cfg.MaxBytes = 8
	var log bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	f := openedFile(t, cfg)
	write(t, f, "one\n")
	path := f.cfg.Path
	f.cfg.Path = filepath.Join(filepath.Dir(path), "absent", "audit.log")
	for range 3 {
		write(t, f, "two or three\n")
	}
	f.cfg.Path = path
	if got, n := content(t, path); n != 1 || got != "one\n"+strings.Repeat("two or three\n", 3) {
		t.Errorf("%d files with %q", n, got)
	}
	if n := strings.Count(log.String(), "cannot be rotated"); n != 1 {
		t.Errorf("logged %d times: %s", n, log.String())
	}
	write(t, f, "four\n")
	names, err := f.old()
	if err != nil || len(names) != 1 || !slices.IsSorted(names) {
		t.Errorf("rotated files %v, %v", names, err)
	}
}

// BenchmarkCommit is how long a line takes to the disk when 64 wait at once, and alone.
func BenchmarkCommit(b *testing.B) {
	line := append(bytes.Repeat([]byte("x"), 1200), '\n')
	for name, parallel := range map[string]int{"alone": 0, "among 64": 32} {
		b.Run(name, func(b *testing.B) {
			cfg := fileConfig(b)
			cfg.MaxBytes = 100 << 20
			q := NewQueue(openedFile(b, cfg), slog.New(slog.DiscardHandler))
			defer q.Close()
			commit := func() {
				if err := q.Commit(b.Context(), line, true); err != nil {
					b.Error(err)
				}
			}
			if parallel == 0 {
				for b.Loop() {
					commit()
				}
				return
			}
			b.SetParallelism(parallel)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					commit()
				}
			})
		})
	}
}
