package policy

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Folders and files must be writable by the user that runs the check.
func TestFoldersThatAreNotWritable(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"folder", "own"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "own", "log")
	if err := os.WriteFile(file, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{filepath.Join(dir, "folder"): 0o555, filepath.Join(dir, "own"): 0o777, dir: 0o755, filepath.Dir(dir): 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 { // may write everywhere: be another user for the file system
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if _, err := unix.SetfsuidRetUid(65534); err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = unix.SetfsuidRetUid(0) }()
	}
	for text, want := range map[string]string{
		"recording: {directory: folder}":           "line 1: recording.directory: the user that runs this (id ",
		"audit:\n  file: {path: folder/audit.log}": "line 2: audit.file.path: the user that runs this (id ",
		"audit:\n  file: {path: own/log}":          "line 2: audit.file.path: the user that runs this (id ",
		"approvals:\n  file: folder/requests":      "line 2: approvals.file: the user that runs this (id ",
		"recording: {directory: own}":              "",
	} {
		_, err := Check([]byte(text), dir, false)
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), " may not write to ")) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
