package rig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	_ "net/http/pprof" // serves the profiles that are read here
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/bench/parts"
)

// Roles in addition to the real ones.
const (
	roleDies = "dies" // before it is ready
	roleMute = "mute" // never gets ready
)

func TestMain(m *testing.M) {
	switch role := os.Getenv(RoleEnv); role {
	case "":
		goleak.VerifyTestMain(m)
	case roleDies:
		fmt.Fprintln(os.Stderr, "no luck today")
		os.Exit(3)
	case roleMute:
		_, _ = os.Stdin.Read(make([]byte, 1))
	default:
		if err := parts.Run(context.Background(), role, os.Args[1:], parts.IO{In: os.Stdin, Out: os.Stdout}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func TestPartWorks(t *testing.T) {
	up, err := startPart(t.Context(), parts.RoleUpstream)
	if err != nil {
		t.Fatal(err)
	}
	defer up.Stop()
	client, err := startPart(t.Context(), parts.RoleLoad)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Stop()
	r, err := client.Do(t.Context(), load.Job{Op: load.OpUnary, URL: "http://" + up.Addr, Conns: 2, Requests: 100})
	if err != nil || r.Count != 200 {
		t.Errorf("%d answers, expected 200; error %v", r.Count, err)
	}
	if _, err := client.Do(t.Context(), load.Job{Op: "sing", URL: "http://" + up.Addr, Conns: 1}); err == nil {
		t.Error("a job that failed was reported as done")
	}
	if runtime.GOOS != "linux" {
		return
	}
	if d, err := CPUTime(up.PID()); err != nil || d <= 0 || d > time.Minute {
		t.Errorf("CPU time of the upstream is %s, error %v", d, err)
	}
	if n, err := residentSet(up.PID()); err != nil || n < 1<<20 {
		t.Errorf("resident set of the upstream is %d bytes, error %v", n, err)
	}
}

// The error contains the output of a part that ended.
func TestPartThatDies(t *testing.T) {
	_, err := startPart(t.Context(), roleDies)
	if err == nil || !strings.Contains(err.Error(), "no luck today") {
		t.Errorf("error is %v, expected what the process printed", err)
	}
}

func TestPartThatIsNeverReady(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := startPart(ctx, roleMute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, expected the deadline", err)
	}
}

func TestReadMemory(t *testing.T) {
	s := httptest.NewServer(http.DefaultServeMux)
	defer s.Close()
	before, err := ReadMemory(t.Context(), s.URL, os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	held := make([]byte, 10<<20)
	after, err := ReadMemory(t.Context(), s.URL, os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(held)
	if grown := after.Sub(before).Heap; grown < 9<<20 || grown > 11<<20 {
		t.Errorf("heap has grown by %d bytes after 10 MiB were allocated", grown)
	}
	if after.Live() <= after.Heap || after.Stack <= 0 {
		t.Errorf("no stacks in %+v", after)
	}
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()
	if _, err := ReadMemory(t.Context(), empty.URL, os.Getpid()); err == nil {
		t.Error("memory was read from a server without memory statistics")
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var l tail
	for i := range 10_000 {
		fmt.Fprintf(&l, "line %d\n", i)
	}
	s := l.String()
	if len(s) > tailSize || !strings.HasSuffix(s, "line 9999") {
		t.Errorf("%d bytes are kept, which end with %q", len(s), s[len(s)-20:])
	}
}
