package front

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// accept opens a connection through a listener, sends what the proxy would, and
// returns the end of the server and the log.
func accept(t *testing.T, set Trusted, proxyProtocol bool, first []byte) (net.Conn, *lockedBuffer) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := &lockedBuffer{}
	l := NewListener(inner, set, proxyProtocol, slog.New(slog.NewTextHandler(log, nil)))
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = client.Close(), server.Close(), l.Close() })
	if _, err := client.Write(first); err != nil {
		t.Fatal(err)
	}
	if err := client.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	return server, log
}

func version2(t *testing.T, command proxyproto.ProtocolVersionAndCommand) []byte {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(2,
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 8})
	h.Command = command
	if err := h.SetTLVs([]proxyproto.TLV{{Type: proxyproto.PP2_TYPE_AUTHORITY, Value: bytes.Repeat([]byte("x"), 1000)}}); err != nil {
		t.Fatal(err)
	}
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const version1 = "PROXY TCP4 192.0.2.1 192.0.2.2 7 8\r\n"

// A trusted proxy names the caller, and no byte after the header is lost.
func TestTrustedPeers(t *testing.T) {
	body := strings.Repeat("body", 5000) // more than one buffer
	for name, c := range map[string]struct{ header, from string }{
		"version 1":         {version1, "192.0.2.1:7"},
		"version 1, IPv6":   {"PROXY TCP6 2001:db8::1 2001:db8::2 7 8\r\n", "[2001:db8::1]:7"},
		"version 1 unknown": {"PROXY UNKNOWN\r\n", "127.0.0.1:"},
		"version 2":         {string(version2(t, proxyproto.PROXY)), "192.0.2.1:7"},
		"version 2 local":   {string(version2(t, proxyproto.LOCAL)), "127.0.0.1:"},
		"no header":         {"", "127.0.0.1:"},
	} {
		for _, copied := range []bool{false, true} { // with io.WriterTo
			c2, log := accept(t, trusted(t, "127.0.0.0/8"), true, []byte(c.header+body))
			if from := c2.RemoteAddr().String(); !strings.HasPrefix(from, c.from) {
				t.Errorf("%s: from %s, want %s", name, from, c.from)
			}
			var b bytes.Buffer
			var err error
			if copied {
				_, err = io.Copy(&b, c2)
			} else {
				_, err = io.Copy(&b, struct{ io.Reader }{c2})
			}
			if err != nil || b.String() != body {
				t.Errorf("%s: read %d bytes, %v; want %d", name, b.Len(), err, len(body))
			}
			if log.String() != "" {
				t.Errorf("%s: logged %s", name, log)
			}
		}
	}
}

// Other peers must not send the header, and the log says what the bytes are.
func TestOtherPeers(t *testing.T) {
	for name, c := range map[string]struct {
		set           Trusted
		proxyProtocol bool
		first, hint   string
	}{
		"switched off":     {trusted(t, "127.0.0.1"), false, version1, "set --proxy-protocol"},
		"switched off, v2": {nil, false, string(version2(t, proxyproto.PROXY)), "set --proxy-protocol"},
		"not trusted":      {trusted(t, "10.0.0.0/8"), true, version1, "--trusted-proxies does not name"},
		"TLS":              {nil, false, "\x16\x03\x01\x02\x00\x01", ""},
		"HTTP":             {nil, false, "PUT / HTTP/1.1\r\n", ""},
	} {
		server, log := accept(t, c.set, c.proxyProtocol, []byte(c.first))
		if from := server.RemoteAddr().String(); !strings.HasPrefix(from, "127.0.0.1:") {
			t.Errorf("%s: from %s", name, from)
		}
		if b, err := io.ReadAll(struct{ io.Reader }{server}); err != nil || string(b) != c.first {
			t.Errorf("%s: read %q, %v", name, b, err)
		}
		if got := log.String(); (c.hint == "") != (got == "") || !strings.Contains(got, c.hint) || strings.Count(got, "WARN") > 1 {
			t.Errorf("%s: the log has %q, want %q", name, got, c.hint)
		}
	}
}

// A header of a trusted proxy that cannot be read ends the connection.
func TestMalformedHeaders(t *testing.T) {
	for _, first := range []string{
		"PROXY TCP4 192.0.2.1\r\n", "PROXY TCP4 x y 1 2\r\n", "PROXY " + strings.Repeat("x", 200),
		string(proxyproto.SIGV2) + "\x99\x11\x00\x00",
	} {
		server, log := accept(t, trusted(t, "127.0.0.1"), true, []byte(first))
		if from := server.RemoteAddr().String(); !strings.HasPrefix(from, "127.0.0.1:") {
			t.Errorf("%q: from %s", first, from)
		}
		if n, err := server.Read(make([]byte, 10)); n != 0 || err == nil {
			t.Errorf("%q: read %d bytes, %v", first, n, err)
		}
		if !strings.Contains(log.String(), "malformed PROXY protocol header") {
			t.Errorf("%q: the log has %q", first, log)
		}
	}
}

// The log does not grow with health checks.
func TestWarningsAreRare(t *testing.T) {
	log := &lockedBuffer{}
	l := NewListener(nil, nil, false, slog.New(slog.NewTextHandler(log, nil)))
	for range 100 {
		l.unexpected(&net.TCPAddr{})
	}
	if n := strings.Count(log.String(), "WARN"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
}

// A proxy that connects and says nothing keeps Accept from nothing: what waits
// is the connection's own goroutine.
func TestSilentProxy(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(inner, trusted(t, "127.0.0.1"), true, slog.New(slog.DiscardHandler))
	defer l.Close()
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() { done <- server.RemoteAddr().String() }()
	_ = server.Close()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("closing the connection did not end the wait for its header")
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
