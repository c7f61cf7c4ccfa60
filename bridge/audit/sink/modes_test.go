//go:build unix

package sink

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// New files are for their owner alone, or for whom the file before them was.
func TestFileModes(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	cfg := fileConfig(t)
	cfg.MaxBytes = 1
	f := openedFile(t, cfg)
	mode := func() os.FileMode {
		info, err := os.Stat(cfg.Path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode()
	}
	if mode() != 0o600 {
		t.Errorf("mode %v, want 0600", mode())
	}
	_ = f.Close()
	if err := os.Chmod(cfg.Path, 0o640); err != nil { // for whoever ships the files
		t.Fatal(err)
	}
	f = openedFile(t, cfg)
	write(t, f, "a\n")
	write(t, f, "b\n")
	if _, n := content(t, cfg.Path); n != 2 || mode() != 0o640 {
		t.Errorf("%d files, mode %v, want 2, and that of the file before", n, mode())
	}
	if _, err := OpenFile(cfg); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a file that is in use was opened: %v", err)
	}
	cfg.Path = "/dev/null"
	if _, err := OpenFile(cfg); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a device was opened: %v", err)
	}
}
