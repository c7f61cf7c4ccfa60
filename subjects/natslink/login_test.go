package natslink

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// slowLogin is a path to a broker that holds up the client's first PING until the broker
// has sent one of its own.
func slowLogin(t *testing.T, broker string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		in, err := l.Accept()
		if err != nil {
			return
		}
		defer in.Close()
		out, err := net.Dial("tcp", broker)
		if err != nil {
			t.Error(err)
			return
		}
		defer out.Close()
		pinged, up := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(up)
			defer out.Close()
			r := bufio.NewReader(in)
			connect, _ := r.ReadString('\n')
			_, _ = io.WriteString(out, connect)
			select {
			case <-pinged:
			case <-time.After(10 * time.Second):
				t.Error("the broker sends no PING before the client's")
			}
			_, _ = io.Copy(out, r)
		}()
		r := bufio.NewReader(out)
		for seen := false; ; {
			line, err := r.ReadString('\n')
			if err != nil {
				break
			}
			_, _ = io.WriteString(in, line)
			if line == "PING\r\n" && !seen {
				seen = true
				close(pinged)
			}
		}
		_ = in.Close()
		<-up
	}()
	return "nats://" + l.Addr().String()
}

// TestPingDuringLogin: the broker's own PING may come before its PONG.
func TestPingDuringLogin(t *testing.T) {
	t.Parallel()
	s := startServer(t, 0)
	t.Cleanup(func() { stopServer(s) })
	nc := once(t, slowLogin(t, s.Addr().String()))
	if err := nc.Flush(); err != nil {
		t.Error(err)
	}
	nc.Close()
}

// TestLoginConn: only pings between the greeting and the next line are answered, however
// the bytes arrive.
func TestLoginConn(t *testing.T) {
	const info = "INFO {\"PING\\r\\n\"}\r\n"
	for _, test := range []struct {
		sent, want string
		pings      int
	}{
		{info + "PONG\r\n", info + "PONG\r\n", 0},
		{info + "PING\r\nPONG\r\nPING\r\n", info + "PONG\r\nPING\r\n", 1},
		{info + "PING\r\nPING\r\n-ERR 'x'\r\n", info + "-ERR 'x'\r\n", 2},
		{info + "PI", info, 0},
		{info + "PIN\r\nPING\r\n", info + "PIN\r\nPING\r\n", 0},
		{info + "\x16\x03\x01PING\r\n", info + "\x16\x03\x01PING\r\n", 0}, // TLS, made by nats.go
		{"PING\r\nPING\r\nPONG\r\n", "PING\r\nPONG\r\n", 1},
		{"INFO", "INFO", 0},
	} {
		for name, chunks := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "by bytes": iotest.OneByteReader,
			"halves": iotest.HalfReader, "with the end": iotest.DataErrReader,
		} {
			t.Run(fmt.Sprintf("%q %s", test.sent, name), func(t *testing.T) {
				peer := &scripted{Reader: chunks(strings.NewReader(test.sent))}
				got, err := io.ReadAll(&loginConn{Conn: peer})
				if string(got) != test.want || err != nil {
					t.Errorf("read %q (%v), want %q", got, err, test.want)
				}
				if said := peer.said.String(); said != strings.Repeat("PONG\r\n", test.pings) {
					t.Errorf("answered %q, want %d PONGs", said, test.pings)
				}
			})
		}
	}
}

// TestLoginFailures: an answer that is none, and one that nats.go has no variable for.
func TestLoginFailures(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"PING\r\nMSG x\r\n":                 "nats: the protocols do not fit (log in): the server there answers the login with \"MSG x\"",
		"-ERR 'Authentication Timeout'\r\n": "jwt: no answer in time (log in): the broker did not get the credentials in the time that it gives a login",
	} {
		_, err := ConnectOnce(t.Context(), options(answering(t, answer)))
		if err == nil {
			t.Fatalf("%q: connected", answer)
		}
		if got := Failure("log in", err).Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%q: got %s, want %s", answer, got, want)
		}
	}
}

// answering is a server that answers one login with a text, and waits for the client to
// close the connection.
func answering(t *testing.T, text string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "INFO {\"max_payload\":1000}\r\n")
		r := bufio.NewReader(c)
		for line := ""; err == nil && line != "PING\r\n"; {
			line, err = r.ReadString('\n')
		}
		_, _ = io.WriteString(c, text)
		_, _ = io.Copy(io.Discard, r)
	}()
	return "nats://" + l.Addr().String()
}

// scripted is a connection of which only reading and writing are used.
type scripted struct {
	net.Conn
	io.Reader
	said bytes.Buffer
}

func (s *scripted) Read(b []byte) (int, error)  { return s.Reader.Read(b) }
func (s *scripted) Write(b []byte) (int, error) { return s.said.Write(b) }
