package sink

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// childEnv names the file that the child writes to.
const childEnv = "FAIRLEAD_TEST_SINK"

// childMain is the process that is killed: many goroutines commit lines, and print
// each one that was acknowledged.
func childMain() bool {
	path := os.Getenv(childEnv)
	if path == "" {
		return false
	}
	f, err := OpenFile(FileConfig{Path: path, MaxBytes: 2 << 10, MaxFiles: 10000, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	q := NewQueue(f, slog.New(slog.DiscardHandler))
	var out sync.Mutex
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				line := fmt.Sprintf("%d-%d-%d\n", os.Getpid(), g, i)
				if err := q.Commit(context.Background(), []byte(line), i%4 == 0); err != nil {
					panic(err)
				}
				out.Lock()
				fmt.Print(line) // one write: nothing is in memory
				out.Unlock()
			}
		})
	}
	wg.Wait()
	return true
}

// TestKilled: nothing that was acknowledged is lost when the process is killed, also
// while the file is rotated, and the file is one of whole lines.
func TestKilled(t *testing.T) {
	cfg := fileConfig(t)
	acknowledged := map[string]bool{}
	for range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env, cmd.Stderr = append(os.Environ(), childEnv+"="+cfg.Path), os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, n := bufio.NewScanner(out), 0
		for lines.Scan() {
			acknowledged[lines.Text()] = true
			if n++; n == 2000 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || n < 2000 {
			t.Fatalf("the child ended by itself after %d lines: %v", n, err)
		}
	}
	openedFile(t, cfg) // which repairs the file
	got, files := content(t, cfg.Path)
	found := map[string]int{}
	for line := range strings.Lines(got) {
		line, whole := strings.CutSuffix(line, "\n")
		if !whole || strings.Count(line, "-") != 2 {
			t.Errorf("%q is not a whole line", line)
		}
		if found[line]++; found[line] > 1 {
			t.Errorf("%q stands twice", line)
		}
	}
	for line := range acknowledged {
		if found[line] == 0 {
			t.Errorf("%q was acknowledged and is lost", line)
		}
	}
	t.Logf("%d lines acknowledged, %d in %d files", len(acknowledged), len(found), files)
}
