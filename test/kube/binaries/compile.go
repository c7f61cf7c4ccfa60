package binaries

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// reportEvery is how often a running build reports its progress.
const reportEvery = 10 * time.Second

// compile builds one main of the module and reports its progress.
func compile(ctx context.Context, module, version, name, out string, progress func(string)) error {
	start := time.Now()
	progress("build " + name)
	args := append([]string{"build", "-v"}, Flags(version)...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", out, "./cmd/"+name)...)
	cmd.Dir = module
	// Nothing of the caller's build settings may leak into a cached binary.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var seen watcher
	read := make(chan struct{})
	go func() { // ends with the pipe, that is with the compiler
		defer close(read)
		seen.read(stderr)
	}()
	stop := make(chan struct{})
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		ticker := time.NewTicker(reportEvery)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				progress(fmt.Sprintf("build %s, %s, %s", name, time.Since(start).Round(time.Second), seen.state()))
			}
		}
	}()
	<-read
	err = cmd.Wait()
	close(stop)
	<-reported
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", name, context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("%s: %w:\n%s", name, err, seen.complaints())
	}
	progress(fmt.Sprintf("built %s in %s", name, time.Since(start).Round(100*time.Millisecond)))
	return nil
}

// watcher parses the output of go build -v: a line per download, a line per
// compiled package, and errors.
type watcher struct {
	mu         sync.Mutex // guards all below
	downloaded int
	compiled   int
	last       string   // the package that was last announced
	other      []string // the last lines that are neither
}

func (w *watcher) read(r io.Reader) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		w.line(scanner.Text())
	}
	io.Copy(io.Discard, r) // a longer line must not block the compiler
}

func (w *watcher) line(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case strings.HasPrefix(s, "go: downloading "):
		w.downloaded++
		w.last = strings.TrimPrefix(s, "go: downloading ")
	case !strings.Contains(s, " ") && !strings.HasPrefix(s, "#"):
		w.compiled++
		w.last = s
	default:
		w.other = append(w.other, s)
		if len(w.other) > 40 {
			w.other = w.other[1:]
		}
	}
}

func (w *watcher) state() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.compiled == 0 {
		text := fmt.Sprintf("%d modules downloaded", w.downloaded)
		if w.last != "" {
			text += ", last " + w.last
		}
		return text
	}
	return fmt.Sprintf("%d packages compiled, last %s", w.compiled, w.last)
}

func (w *watcher) complaints() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.other, "\n")
}
