package harness

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/fairlead-io/fairlead/test/harness.startOnOneThread"))
}

func shell(t *testing.T, script string, change func(*Spec)) *Process {
	t.Helper()
	spec := Spec{Name: "child", Path: "/bin/sh", Args: []string{"-c", script}, Log: filepath.Join(t.TempDir(), "logs", "child.log")}
	if change != nil {
		change(&spec)
	}
	p, err := Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func logged(p *Process, text string) func(context.Context) error {
	return func(context.Context) error {
		if got := Tail(p.Log(), 10); !strings.Contains(got, text) {
			return errors.New("the log has " + got)
		}
		return nil
	}
}

func TestProcessStopsWhenAsked(t *testing.T) {
	t.Setenv("FAIRLEAD_E2E", "1")
	p := shell(t, `trap 'echo asked; exit 3' TERM; echo "e2e is '$FAIRLEAD_E2E'"; echo up; while :; do sleep 0.01; done`, nil)
	if err := Until(t.Context(), "the child", time.Minute, p, logged(p, "up")); err != nil {
		t.Fatal(err)
	}
	if err := logged(p, "e2e is ''")(t.Context()); err != nil {
		t.Errorf("our configuration reached the child: %v", err)
	}
	if _, err := p.RSS(); err != nil {
		t.Error(err)
	}
	if err := p.Stop(time.Minute); err != nil {
		t.Fatal(err)
	}
	if p.ExitCode() != 3 {
		t.Errorf("exit code %d, want the trap's 3", p.ExitCode())
	}
	if err := p.Stop(time.Minute); err != nil {
		t.Errorf("stopping again: %v", err)
	}
}

func TestProcessThatDoesNotStopIsKilled(t *testing.T) {
	p := shell(t, `trap '' TERM; echo up; while :; do sleep 0.01; done`, nil)
	if err := Until(t.Context(), "the child", time.Minute, p, logged(p, "up")); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(10 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "still there") {
		t.Errorf("got %v, want an error that says that it did not end", err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("it still runs")
	}
}

func TestProcessStopsWithItsStdin(t *testing.T) {
	ready := &readyLine{}
	p := shell(t, `echo step; echo ready /x; cat; echo over`, func(s *Spec) { s.StopOnStdin, s.Output = true, ready })
	err := Until(t.Context(), "the line", time.Minute, p, func(context.Context) error {
		if ready.get() != "/x" {
			return errors.New("not there")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(time.Minute); err != nil {
		t.Fatal(err)
	}
	if p.ExitCode() != 0 || logged(p, "over")(t.Context()) != nil {
		t.Errorf("exit code %d, log %s", p.ExitCode(), Tail(p.Log(), 5))
	}
}

func TestUntilTellsWhatIsMissing(t *testing.T) {
	never := func(context.Context) error { return errors.New("no sign of it") }
	p := shell(t, "echo famous last words; exit 1", nil)
	err := Until(t.Context(), "something", time.Minute, p, never)
	if err == nil || !strings.Contains(err.Error(), "famous last words") {
		t.Errorf("a child that ended: %v", err)
	}
	err = Until(t.Context(), "something", 10*time.Millisecond, nil, never)
	if err == nil || !strings.Contains(err.Error(), "wait for something: not within 10ms, last: no sign of it") {
		t.Errorf("a deadline: %v", err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("a signal to a child that ended: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	m, err := ParseMetrics(strings.NewReader("# HELP a b\n" +
		`requests{verb="WATCH",what="a b"} 2` + "\n" + `requests{verb="WATCH",what="c"} 3` + "\n" +
		`requests{verb="GET"} 1e3` + "\nrequests_total 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		got, want float64
	}{
		{m.Sum("requests"), 1005}, {m.Sum("requests", `verb="WATCH"`), 5}, {m.Sum("requests", `verb="WATCH"`, `what="c"`), 3},
		{m.Sum("requests_total"), 7}, {m.Sum("none"), 0},
	} {
		if tt.got != tt.want {
			t.Errorf("got %g, want %g", tt.got, tt.want)
		}
	}
	if _, err := ParseMetrics(strings.NewReader("<html>\n")); err == nil {
		t.Error("HTML passed for metrics")
	}
}

func TestConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{spec: Spec{Name: "self"}, cmd: &exec.Cmd{Process: self}}
	if n, err := p.ConnectedTo(l.Addr().String()); err != nil || n != 1 {
		t.Errorf("%d connections (%v), want 1", n, err)
	}
	if got, err := parseHexAddress("0100007F:1F90"); err != nil || got.String() != "127.0.0.1:8080" {
		t.Errorf("got %v, %v", got, err)
	}
}
