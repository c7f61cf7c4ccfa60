package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"

	"github.com/fairlead-io/fairlead/bridge/connection/resume"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// lasting is a bridge that has one connection, over which it serves one container's terminal.
type lasting struct {
	t    *testing.T
	conn *resume.Conn
	// mute never answers a request for the terminal.
	mute bool
	over chan struct{}
	// running are exec and what it has begun.
	running sync.WaitGroup

	mu     sync.Mutex
	away   bool // new attachments are refused by something in front
	ws     *websocket.Conn
	served bool
}

func newLasting(t *testing.T) *lasting {
	l := &lasting{t: t, conn: resume.New(resume.Config{Silence: time.Minute, Local: &net.TCPAddr{}, Remote: &net.TCPAddr{}}), over: make(chan struct{})}
	t.Cleanup(func() {
		close(l.over)
		l.conn.Fail(net.ErrClosed)
		l.running.Wait()
	})
	return l
}

// ServeHTTP attaches the client.
func (l *lasting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	away := l.away
	l.mu.Unlock()
	received, err := strconv.ParseUint(r.URL.Query().Get("received"), 10, 64)
	if away || err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set(resume.ReceivedHeader, strconv.FormatUint(l.conn.Received(), 10))
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{resume.Subprotocol}})
	if err != nil {
		return
	}
	l.mu.Lock()
	l.ws = ws
	if !l.served {
		l.served = true
		l.running.Go(func() {
			_ = (&http.Server{Handler: http.HandlerFunc(l.exec)}).Serve(&oneListener{conn: l.conn, over: l.over})
		})
	}
	l.mu.Unlock()
	_ = l.conn.Attach(r.Context(), resume.WebSocket(ws), received)
	_ = ws.CloseNow()
}

// lose cuts the connection off, until there is a way again.
func (l *lasting) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = true
	_ = l.ws.CloseNow()
}

func (l *lasting) find() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = false
}

// exec is the container: it says what is typed, and how large the terminal is.
func (l *lasting) exec(w http.ResponseWriter, r *http.Request) {
	l.running.Add(1)
	defer l.running.Done()
	if l.mute {
		<-l.over
		return
	}
	if _, err := httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"}); err != nil {
		l.t.Error(err)
		return
	}
	streams := make(chan httpstream.Stream, 4)
	c := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if c == nil {
		l.t.Error("no upgrade")
		return
	}
	defer c.Close()
	by := map[string]httpstream.Stream{}
	for range 4 {
		s := <-streams
		by[s.Headers().Get("streamType")] = s
	}
	out := by["stdout"]
	l.running.Go(func() {
		b := make([]byte, 100)
		for {
			n, err := by["resize"].Read(b)
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(out, "size %s\r\n", strings.TrimSpace(string(b[:n])))
		}
	})
	b := make([]byte, 100)
	for {
		n, err := by["stdin"].Read(b)
		if err != nil {
			return
		}
		_, _ = fmt.Fprintf(out, "got %q\r\n", b[:n])
		if b[0] == 'q' {
			_, _ = by["error"].Write([]byte(`{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}`))
			_ = by["error"].Close()
			_ = out.Close()
			_, _ = by["stdin"].Read(b)
			return
		}
	}
}

// oneListener has one connection.
type oneListener struct {
	conn net.Conn
	over chan struct{}
}

func (l *oneListener) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.over
	return nil, net.ErrClosed
}
func (l *oneListener) Close() error   { return nil }
func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }

// user is at a terminal in which the plugin runs.
type user struct {
	t             *testing.T
	master, slave *os.File
	before        unix.Termios
	cmd           *exec.Cmd
	ended         chan struct{}

	mu     sync.Mutex
	screen strings.Builder
}

// sitDown starts the plugin in a terminal.
func sitDown(t *testing.T, l *lasting) *user {
	t.Helper()
	r := newRig(t, l)
	file := r.home + "/token"
	if err := os.WriteFile(file, []byte("t0ken"), 0o600); err != nil {
		t.Fatal(err)
	}
	u := &user{t: t, ended: make(chan struct{})}
	var err error
	if u.master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(u.master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(u.master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if u.slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	u.before = u.mode()
	read := make(chan struct{})
	go func() {
		defer close(read)
		b := make([]byte, 4096)
		for {
			n, err := u.master.Read(b)
			u.mu.Lock()
			u.screen.Write(b[:n])
			u.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	u.cmd = exec.Command(os.Args[0], "exec", "-it", "--bridge", r.bridge.URL, "--token-file", file, "--bridge-ca", r.bridgeCA, "--cluster", "prod", "web", "--", "sh")
	u.cmd.Env = append(os.Environ(), asPlugin+"=1")
	u.cmd.Stdin, u.cmd.Stdout, u.cmd.Stderr = u.slave, u.slave, u.slave
	u.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(u.ended)
		_ = u.cmd.Wait() // its code is looked at
	}()
	t.Cleanup(func() {
		_ = u.cmd.Process.Kill()
		u.slave.Close()
		<-read
		u.master.Close()
	})
	eventually.True(t, "the terminal is raw", func() bool { return u.mode().Lflag&unix.ICANON == 0 })
	return u
}

func (u *user) mode() unix.Termios {
	u.t.Helper()
	m, err := unix.IoctlGetTermios(int(u.slave.Fd()), unix.TCGETS)
	if err != nil {
		u.t.Fatal(err)
	}
	return *m
}

func (u *user) types(text string) {
	u.t.Helper()
	if _, err := u.master.WriteString(text); err != nil {
		u.t.Fatal(err)
	}
}

func (u *user) text() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.screen.String()
}

func (u *user) sees(text string) {
	u.t.Helper()
	eventually.Within(u.t, 30*time.Second, "see "+text, func() error {
		if got := u.text(); !strings.Contains(got, text) {
			return fmt.Errorf("the screen has %q", got)
		}
		return nil
	})
}

// leaves wants the plugin to end with an exit code, and the terminal as it was.
func (u *user) leaves(code int) {
	u.t.Helper()
	select {
	case <-u.ended:
	case <-time.After(15 * time.Second):
		u.t.Fatalf("it does not end; the screen has %q", u.text())
	}
	if got := u.cmd.ProcessState.ExitCode(); got != code {
		u.t.Errorf("exit code %d, want %d; the screen has %q", got, code, u.text())
	}
	if u.mode() != u.before {
		u.t.Errorf("the terminal is left as %+v, and was %+v", u.mode(), u.before)
	}
}

// TestControlCWithoutAConnection: in a terminal in raw mode Ctrl-C is the container's. While the
// connection is lost it ends the command, which nothing else could for two minutes.
func TestControlCWithoutAConnection(t *testing.T) {
	l := newLasting(t)
	u := sitDown(t, l)
	u.types("a")
	u.sees(`got "a"`)
	u.types("\x03")
	u.sees(`got "\x03"`)
	l.lose()
	u.sees("Press Ctrl-C to give up.")
	eventually.Within(t, 30*time.Second, "it ends", func() error {
		u.types("\x03") // in the first second it is for the container
		select {
		case <-u.ended:
			return nil
		default:
			return fmt.Errorf("the screen has %q", u.text())
		}
	})
	u.leaves(130)
}

// TestTerminalAfterALoss: what was typed and how large the terminal has become while the
// connection was lost gets to the container, whose exit code is the plugin's.
func TestTerminalAfterALoss(t *testing.T) {
	l := newLasting(t)
	u := sitDown(t, l)
	u.types("a")
	u.sees(`got "a"`)
	l.lose()
	u.sees("The connection was lost")
	u.types("b")
	if err := unix.IoctlSetWinsize(int(u.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 77}); err != nil {
		t.Fatal(err)
	}
	l.find()
	u.sees(`got "b"`)
	u.sees(`size {"Width":77,"Height":33}`)
	u.sees("The connection is back after")
	u.types("q")
	u.leaves(7)
}

// TestSignalsBeforeASession: while a cluster does not answer the request for a terminal, Ctrl-C
// and a signal end the command.
func TestSignalsBeforeASession(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(u *user)
		code int
	}{
		"Ctrl-C":  {func(u *user) { u.types("\x03"); u.sees("error: given up") }, 130},
		"SIGTERM": {func(u *user) { _ = u.cmd.Process.Signal(syscall.SIGTERM) }, 143},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLasting(t)
			l.mute = true
			u := sitDown(t, l)
			eventually.True(t, "it is attached", func() bool { return l.conn.Received() > 0 })
			c.end(u)
			u.leaves(c.code)
		})
	}
}
