package reload

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestTruncatedFile: a writer that has emptied a file, and gets on late because
// the machine is busy, does not make it read as empty; one that leaves it empty
// does, within a second.
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
	poll(truncated.Add(time.Hour), false) // it is what it was
	write("")
	truncated = time.Now()
	poll(truncated, false)
	poll(truncated.Add(emptyTime), true)
}
