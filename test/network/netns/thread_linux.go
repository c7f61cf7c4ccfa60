package netns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// do calls f on a thread that is in the namespace. f must not start goroutines that have
// to be there too.
func (s *Space) do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := s.visit(f)
		if home {
			runtime.UnlockOSThread()
		} // else the thread ends with this goroutine
		done <- err
	}()
	return <-done
}

// visit reports whether the thread is where it was before.
func (s *Space) visit(f func() error) (home bool, err error) {
	back, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return true, fmt.Errorf("enter namespace %s: %w", s.name, err)
	}
	defer back.Close()
	there, err := os.Open("/run/netns/" + s.name)
	if err != nil {
		return true, fmt.Errorf("enter the namespace: %w", err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return true, fmt.Errorf("enter namespace %s: %w", s.name, err)
	}
	err = f()
	if left := unix.Setns(int(back.Fd()), unix.CLONE_NEWNET); left != nil {
		return false, errors.Join(err, fmt.Errorf("leave namespace %s: %w", s.name, left))
	}
	return true, err
}

// Listen listens in the namespace; the address is one of its own.
func (s *Space) Listen(address string) (l net.Listener, err error) {
	err = s.do(func() (err error) {
		l, err = net.Listen("tcp4", address)
		return err
	})
	return l, err
}

// Dial connects from the namespace to an IP address and port. It can be the DialContext
// of an HTTP transport.
func (s *Space) Dial(ctx context.Context, _, address string) (c net.Conn, err error) {
	err = s.do(func() (err error) {
		c, err = new(net.Dialer).DialContext(ctx, "tcp4", address)
		return err
	})
	return c, err
}

// Sent is the number of packets that have left by an interface of the namespace.
func (s *Space) Sent(device string) (n int, err error) {
	err = s.do(func() error {
		f, err := os.Open("/proc/thread-self/net/dev")
		if err != nil {
			return err
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			name, counters, found := strings.Cut(lines.Text(), ":")
			if !found || strings.TrimSpace(name) != device {
				continue
			}
			fields := strings.Fields(counters)
			const sentPackets = 9 // behind eight counters of what came in, and the bytes
			if len(fields) <= sentPackets {
				return fmt.Errorf("counters of %s: %q", device, counters)
			}
			n, err = strconv.Atoi(fields[sentPackets])
			return err
		}
		return fmt.Errorf("namespace %s has no interface %s", s.name, device)
	})
	return n, err
}
