package netns

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

// take skips a test where there can be no namespaces.
func take(t *testing.T) {
	t.Helper()
	mode := os.Getenv("FAIRLEAD_E2E")
	if mode == "" {
		t.Skip("tests that change the machine's network run with FAIRLEAD_E2E=1, as 'make test' sets it")
	}
	if err := Missing(); err != nil {
		if mode == "require" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	release, err := Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sweep(context.Background()); err != nil {
			t.Error(err)
		}
		release()
	})
}

// TestSpaceIsApart: what listens in a namespace is reached from there only, and a packet
// to anywhere else is counted where it leaves.
func TestSpaceIsApart(t *testing.T) {
	take(t)
	ctx := t.Context()
	s, err := Make(ctx, "apart")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.IP(ctx, "link add trap type veth peer name drop", "addr add 10.203.9.9/32 dev trap", "link set drop up", "link set trap up",
		"neigh add 10.203.9.1 lladdr 02:00:00:00:00:01 nud permanent dev trap", "route add default via 10.203.9.1 dev trap onlink"); err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen("127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := s.Dial(ctx, "tcp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if n, err := s.Sent("trap"); n != 0 || err != nil {
		t.Errorf("%d packets (%v) left a namespace whose programs sent none", n, err)
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if c, err := s.Dial(short, "tcp", "192.0.2.1:9"); err == nil {
		c.Close()
		t.Error("there is a way out of the namespace")
	}
	if n, err := s.Sent("trap"); n == 0 || err != nil {
		t.Errorf("%d packets (%v) are counted after one was sent", n, err)
	}
}

// TestSweep: what a process that died has left is removed, its programs included.
func TestSweep(t *testing.T) {
	take(t)
	ctx := t.Context()
	s, err := Make(ctx, "left")
	if err != nil {
		t.Fatal(err)
	}
	if err := IP(ctx, "link add "+Prefix+"left type veth peer name in netns "+s.Name()); err != nil {
		t.Fatal(err)
	}
	p, err := harness.Start(s.Spec(harness.Spec{Name: "sleep", Path: "sleep", Args: []string{"1000"}, Log: filepath.Join(t.TempDir(), "log")}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	// The process is in the namespace once ip has become the program.
	err = harness.Until(ctx, "the program to run", 10*time.Second, p, func(context.Context) error {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.PID()))
		if err == nil && string(comm) != "sleep\n" {
			err = fmt.Errorf("it is still %q", comm)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := sweep(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Error("the program still runs")
	}
	for _, path := range []string{"/run/netns/" + s.Name(), s.etc(""), "/sys/class/net/" + Prefix + "left"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
}
