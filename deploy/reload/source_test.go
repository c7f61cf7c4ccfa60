package reload

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestTruncatedFile: a file is not read as empty if its writer has truncated it and
// continues late, because the machine is busy. It is if the writer leaves it empty,
// within a second.
func TestTruncatedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("content")
	s := source{paths: []string{path}}
	if _, err := s.first(); err != nil {
		t.Fatal(err)
	}
	poll := func(at time.Time, want bool) {
		t.Helper()
		if contents, changed, err := s.next(at); changed != want || err != nil {
			t.Errorf("read %q, changed %v, %v; want changed %v", contents, changed, err, want)
		}
	}
	write("")
	truncated := time.Now()
	poll(truncated, false)
	poll(truncated.Add(emptyTime-PollInterval), false)
	write("content")
	poll(truncated.Add(time.Hour), false) // unchanged content
	write("")
	truncated = time.Now()
	poll(truncated, false)
	poll(truncated.Add(emptyTime), true)
}
