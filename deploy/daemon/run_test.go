package daemon

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// journal records in which order things happened.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(s string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, s)
}

func (j *journal) component(name string) Component {
	return Component{
		Name:  name,
		Run:   func(ctx context.Context) error { <-ctx.Done(); j.add("end " + name); return ctx.Err() },
		Drain: func(context.Context) error { j.add("drain " + name); return nil },
	}
}

func TestStopsInReverseOrder(t *testing.T) {
	var j journal
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, discard(), time.Second, j.component("a"), j.component("b")); err != nil {
		t.Errorf("got %v, want nil: ending with the context is not a failure", err)
	}
	if want := []string{"drain b", "end b", "drain a", "end a"}; !slices.Equal(j.lines, want) {
		t.Errorf("got %v, want %v", j.lines, want)
	}
}

func TestFailureStopsAll(t *testing.T) {
	var j journal
	broke := errors.New("broke")
	err := Run(t.Context(), discard(), time.Second, j.component("a"),
		Component{Name: "b", Run: func(context.Context) error { return broke }, Drain: func(context.Context) error { t.Error("drained a component that had ended"); return nil }})
	if !errors.Is(err, broke) || err.Error() != "b: broke" {
		t.Errorf("got %v", err)
	}
	if want := []string{"drain a", "end a"}; !slices.Equal(j.lines, want) {
		t.Errorf("got %v, want %v", j.lines, want)
	}
	err = Run(t.Context(), discard(), time.Second, Component{Name: "c", Run: func(context.Context) error { return nil }})
	if err == nil || err.Error() != "c: ended unexpectedly" {
		t.Errorf("got %v", err)
	}
}

func TestDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		err := Run(ctx, discard(), 7*time.Second, Component{
			Name:  "slow",
			Run:   func(ctx context.Context) error { <-ctx.Done(); return nil },
			Drain: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		})
		if err != nil || time.Since(start) != 7*time.Second {
			t.Errorf("got %v after %s, want nil after 7s", err, time.Since(start))
		}
	})
}

// A Drain that does not return keeps neither its own component's Run nor the
// other components from ending.
func TestDrainThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		release := make(chan struct{})
		defer close(release)
		var j journal
		stuck := j.component("stuck")
		stuck.Drain = func(context.Context) error { <-release; return nil }
		start := time.Now()
		err := Run(ctx, discard(), 7*time.Second, j.component("other"), stuck)
		if err == nil || err.Error() != "stuck: drain did not return within 3s of its bound" {
			t.Errorf("got %v, want an error that names the component", err)
		}
		if took := time.Since(start); took != 7*time.Second+drainGrace {
			t.Errorf("took %v", took)
		}
		if want := []string{"end stuck", "drain other", "end other"}; !slices.Equal(j.lines, want) {
			t.Errorf("got %v, want %v", j.lines, want)
		}
	})
}

// Cutting the rest at the end of a Drain's bound may take a moment.
func TestDrainReturnsWithinItsGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		late := Component{
			Name:  "late",
			Run:   func(ctx context.Context) error { <-ctx.Done(); return nil },
			Drain: func(ctx context.Context) error { <-ctx.Done(); time.Sleep(drainGrace / 2); return ctx.Err() },
		}
		if err := Run(ctx, discard(), time.Second, late); err != nil {
			t.Errorf("got %v", err)
		}
	})
}

func TestNegativeDrainIsAMistake(t *testing.T) {
	err := Run(t.Context(), discard(), -time.Second, Component{Name: "a", Run: func(context.Context) error { t.Error("ran"); return nil }})
	if _, ok := errors.AsType[*UsageError](err); !ok {
		t.Errorf("got %v, want a UsageError", err)
	}
}

func TestComponentThatDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		release := make(chan struct{})
		defer close(release)
		err := Run(ctx, discard(), time.Second, Component{Name: "stuck", Run: func(context.Context) error { <-release; return nil }})
		if err == nil || !strings.Contains(err.Error(), "stuck: did not stop within") {
			t.Errorf("got %v", err)
		}
	})
}

// TestSignals runs this test binary as a process of its own.
func TestSignals(t *testing.T) {
	if os.Getenv("DAEMON_TEST_SIGNALS") != "" {
		signalHelper()
	}
	for _, test := range []struct {
		signals int
		want    string
	}{{1, "exit status 0"}, {2, "signal: terminated"}} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSignals$")
		cmd.Env = append(os.Environ(), "DAEMON_TEST_SIGNALS="+test.want)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		for range test.signals {
			if !lines.Scan() { // "running", then "draining"
				t.Fatal("helper ended early")
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		for lines.Scan() {
		}
		_ = cmd.Wait()
		if got := cmd.ProcessState.String(); got != test.want {
			t.Errorf("%d signals: %s, want %s", test.signals, got, test.want)
		}
	}
}

func signalHelper() {
	once := os.Getenv("DAEMON_TEST_SIGNALS") == "exit status 0"
	err := Run(context.Background(), discard(), time.Minute, Component{
		Name: "work",
		Run: func(ctx context.Context) error {
			os.Stdout.WriteString("running\n")
			<-ctx.Done()
			return nil
		},
		Drain: func(ctx context.Context) error {
			os.Stdout.WriteString("draining\n")
			if !once {
				<-ctx.Done()
			}
			return nil
		},
	})
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}
