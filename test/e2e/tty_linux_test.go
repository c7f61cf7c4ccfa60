package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestExecTTY works in a terminal: size, resize, control characters, exit code.
func TestExecTTY(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	sp.pod("box", idle, "")
	sp.overEach(func(sp *space, p protocol) {
		term := openTerminal(sp.t)
		term.resize(40, 100)
		r := sp.startIn(term, sp.on(sp.tunnel, "exec", "-it", "box", "--", "sh").with(p.env...))
		term.say("tty; stty size\r")
		term.expect("/dev/")
		term.expect("40 100")
		term.resize(50, 120)
		// The shell learns the new size once the message has arrived.
		sp.until("the new size", func(context.Context) error {
			term.say("stty size\r")
			if !term.screen.wait("50 120", time.Second, nil) {
				return fmt.Errorf("screen: %s", clip(term.screen.String()))
			}
			return nil
		})
		term.say("sh -c 'echo run''ning; sleep 1000'\r")
		term.expect("running")
		term.say("\x03") // Ctrl-C is for the command in the container, not for kubectl
		term.say("echo al''ive\r")
		term.expect("alive")
		term.say("exit 3\r")
		if code := r.wait(callWithin); code != 3 {
			sp.t.Errorf("exit code %d, want the shell's 3\n%s", code, clip(term.screen.String()))
		}
	})
}

// terminal is a pseudo terminal at which the test is the user.
type terminal struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	screen *output
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatalf("open terminal: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatalf("open terminal: unlock: %v", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatalf("open terminal: number: %v", err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatalf("open terminal: %v", err)
	}
	term := &terminal{t: t, master: master, slave: slave, screen: newOutput()}
	read := make(chan struct{})
	go func() { // ends with an error once all have closed the slave
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			_, _ = term.screen.Write(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		slave.Close()
		<-read
		master.Close()
	})
	return term
}

func (term *terminal) resize(rows, columns uint16) {
	term.t.Helper()
	if err := unix.IoctlSetWinsize(int(term.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		term.t.Fatalf("resize terminal: %v", err)
	}
}

func (term *terminal) say(text string) {
	term.t.Helper()
	if _, err := term.master.WriteString(text); err != nil {
		term.t.Fatalf("type %q: %v", text, err)
	}
}

func (term *terminal) expect(text string) {
	term.t.Helper()
	if !term.screen.wait(text, time.Minute, nil) {
		term.t.Fatalf("no %q on the screen:\n%s", strings.TrimSpace(text), clip(term.screen.String()))
	}
}

// startIn starts a call in a terminal, as its session's leader.
func (sp *space) startIn(term *terminal, c call) *running {
	sp.t.Helper()
	r := sp.prepare(c)
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = term.slave, term.slave, term.slave
	r.cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	r.launch()
	return r
}
