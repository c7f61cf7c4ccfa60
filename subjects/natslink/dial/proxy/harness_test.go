package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is in every password of these tests, and in nothing that is shown.
const secret = "hunter2"

// identity is a certificate for 127.0.0.1 and example.com.
var identity = sync.OnceValue(func() tls.Certificate {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS.Certificates[0]
})

func overTLS(serve func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		serve(tls.Server(c, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{identity()}}))
	}
}

// file writes a file and returns its path.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// caFile is the CA of identity.
func caFile(t *testing.T) string {
	return file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: identity().Certificate[0]})))
}

// listen accepts connections and hands each to serve, which returns before the
// connection is closed.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { serve(c); _ = c.Close() })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// echo is a server that returns what it gets, and greets before that.
func echo(t *testing.T) string {
	return listen(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "hello\n")
		_, _ = io.Copy(c, c)
	})
}

// carry joins two connections until either ends.
func carry(in, out net.Conn, from io.Reader) {
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(out, from); _ = out.Close() })
	_, _ = io.Copy(in, out)
	_, _ = in.Close(), out.Close()
	wg.Wait()
}

// reach connects to a server through a proxy within 5 s, or as long as limit says.
func reach(t *testing.T, p Proxies, proxy, server string, limit ...time.Duration) (net.Conn, error) {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), append(limit, 5*time.Second)[0])
	defer cancel()
	conn, err := p.Connect(ctx, u, server, func(ctx context.Context, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	})
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

// wantEcho says something to a server of echo, through whatever is between.
func wantEcho(t *testing.T, conn net.Conn, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	text := strings.Repeat("x", 100_000)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.WriteString(conn, text) })
	got := make([]byte, len("hello\n"+text))
	if n, err := io.ReadFull(conn, got); err != nil || string(got) != "hello\n"+text {
		t.Errorf("got %d bytes, %v", n, err)
	}
	wg.Wait()
	_ = conn.SetDeadline(time.Time{})
}

// wantFailure checks all that is shown of a failure.
func wantFailure(t *testing.T, err error, hop cause.Hop, id cause.ID, want ...string) {
	t.Helper()
	f := cause.Of(err)
	if f == nil {
		t.Fatalf("got %v, want a failure of cause %s", err, id)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Error("x", "failure", f, "error", err)
	shown := fmt.Sprintf("%v\n%s\n%s", err, f.Cure(), log.String())
	if f.Hop != hop || f.Cause != id {
		t.Errorf("got hop %s and cause %s, want %s and %s: %s", f.Hop, f.Cause, hop, id, err)
	}
	for _, w := range want {
		if !strings.Contains(shown, w) {
			t.Errorf("got %q, want %q in it", shown, w)
		}
	}
	if strings.Contains(shown, secret) {
		t.Errorf("shows the password: %s", shown)
	}
	if text := f.Error() + f.Tried; strings.ContainsAny(text, "\n\r\x1b") || len(text) > 1500 {
		t.Errorf("control characters, or too long: %q", text)
	}
}
