package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, script string) *Process {
	t.Helper()
	p, err := Start(Spec{Name: "child", Path: "/bin/sh", Args: []string{"-c", script}, Log: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(0) })
	return p
}

func TestUntilEndsWithTheChildAndShowsItsLog(t *testing.T) {
	p := start(t, "echo the reason; exit 3")
	err := Until(t.Context(), "it to work", time.Minute, p, func(context.Context) error { return errors.New("not yet") })
	if err == nil {
		t.Fatal("no error although the child is gone")
	}
	for _, want := range []string{"it to work", "exit status 3", "the reason"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
}

func TestUntilSaysWhatWasLast(t *testing.T) {
	last := errors.New("still closed")
	err := Until(t.Context(), "a door", time.Millisecond, nil, func(context.Context) error { return last })
	if !errors.Is(err, last) || !strings.Contains(err.Error(), "not within 1ms") {
		t.Errorf("got %v, want the deadline and the last answer", err)
	}
}

func TestUntilTellsWhoStoppedIt(t *testing.T) {
	asked := errors.New("asked to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(asked)
	p := start(t, "exec sleep 60")
	err := Until(ctx, "a door", time.Minute, p, func(context.Context) error { return errors.New("closed") })
	if !errors.Is(err, asked) || strings.Contains(err.Error(), "ends with") {
		t.Errorf("got %v, want the cause and no log", err)
	}
}

func TestStopKillsWhoDoesNotListen(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	p := start(t, "trap '' TERM; : > "+ready+"; while :; do sleep 0.05; done")
	err := Until(t.Context(), "the trap", 10*time.Second, p, func(context.Context) error {
		_, err := os.Stat(ready)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(50 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	default:
		t.Fatal("Stop returned before the child was gone")
	}
	if err := p.Stop(0); err != nil {
		t.Errorf("a second Stop: %v, want nothing to do", err)
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if got := Tail(path, 2); !strings.Contains(got, "no log") {
		t.Errorf("without a file: %q", got)
	}
	long := strings.Repeat(strings.Repeat("x", 99)+"\n", 1000)
	if err := os.WriteFile(path, []byte(long+"a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Tail(path, 2); got != "    a\n    b" {
		t.Errorf("got %q, want the last two lines", got)
	}
}
