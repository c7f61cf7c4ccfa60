//go:build linux

package network

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

// numbered is a call of kubectl whose output are lines with consecutive numbers.
type numbered struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}

	mu      sync.Mutex // guards all below
	numbers lineNumbers
	err     error
}

func (n *numbered) read(out io.Reader) {
	defer close(n.done)
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		n.mu.Lock()
		if err := n.numbers.next(scanner.Text()); err != nil && n.err == nil {
			n.err = err
		}
		n.mu.Unlock()
	}
}

// state is how many lines have come, and whether one was lost or doubled.
func (n *numbered) state() (count int, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.numbers.count, n.err
}

// streams are running calls of all kinds that stay.
type streams struct {
	t   *testing.T
	all []*numbered
}

// startStreams starts a watch, a log that is followed, a command that prints, and one
// that sends back what it is sent.
func (si *site) startStreams(c *caller) *streams {
	si.t.Helper()
	s := &streams{t: si.t}
	si.count(si.cluster)
	// A list: where kubectl watches one object, it takes the first event for the object that
	// it has printed, even if that has changed in between.
	s.start("watch", c, "get", "configmaps", "--field-selector", "metadata.name="+si.cluster, "-w", "-o", `jsonpath=line {.data.n}{"\n"}`)
	s.start("logs -f", c, "logs", "-f", "--tail=1", podName)
	s.start("exec", c, "exec", podName, "--", "sh", "-c", `i=0; while :; do echo "line $i"; i=$((i+1)); sleep 0.1; done`)
	s.echo(c)
	s.more(10, 30*time.Second)
	return s
}

// count makes a config map whose field n goes up, until the test ends.
func (si *site) count(name string) {
	si.t.Helper()
	maps := si.Admin.CoreV1().ConfigMaps("default")
	object := func(n int) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"n": fmt.Sprint(n)}}
	}
	if _, err := maps.Create(si.t.Context(), object(0), metav1.CreateOptions{}); err != nil {
		si.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	si.t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	wg.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if _, err := maps.Update(ctx, object(n), metav1.UpdateOptions{}); err != nil && ctx.Err() == nil {
				si.t.Errorf("count: %v", err)
				return
			}
		}
	})
}

func (s *streams) start(name string, c *caller, args ...string) *numbered {
	s.t.Helper()
	return s.run(&numbered{name: name, cmd: c.command(s.t.Context(), args...), done: make(chan struct{})})
}

func (s *streams) run(n *numbered) *numbered {
	s.t.Helper()
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go n.read(out)
	s.t.Cleanup(func() {
		_ = n.cmd.Process.Kill() // fails only when it is gone
		<-n.done
		_ = n.cmd.Wait() // it was killed
	})
	s.all = append(s.all, n)
	return n
}

// echo sends lines through cat in the pod.
func (s *streams) echo(c *caller) {
	s.t.Helper()
	n := &numbered{name: "exec -i", cmd: c.command(s.t.Context(), "exec", "-i", podName, "--", "cat"), done: make(chan struct{})}
	in, err := n.cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.run(n)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(in, "line %d\n", i); err != nil {
				return // it has ended
			}
			select {
			case <-n.done:
				return
			case <-tick.C:
			}
		}
	})
	s.t.Cleanup(func() {
		_ = n.cmd.Process.Kill() // fails only when it is gone
		wg.Wait()
	})
}

// more waits until each stream has brought so many lines more, without one that was lost
// or doubled.
func (s *streams) more(lines int, within time.Duration) {
	s.t.Helper()
	for _, n := range s.all {
		before, _ := n.state()
		err := harness.Until(s.t.Context(), n.name+" to go on", within, nil, func(context.Context) error {
			select {
			case <-n.done:
				return fmt.Errorf("it has ended")
			default:
			}
			count, err := n.state()
			if err == nil && count < before+lines {
				err = fmt.Errorf("%d lines, %d before", count, before)
			}
			return err
		})
		if err != nil {
			s.t.Error(err)
		}
	}
}
