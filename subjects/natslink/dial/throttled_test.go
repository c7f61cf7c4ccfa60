package dial

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// TestRefusedBeforeTLS: a server that turns clients away says so in clear text.
func TestRefusedBeforeTLS(t *testing.T) {
	const words = "-ERR 'Connection throttling is active. Please try again later.'\r\n"
	hello := func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 5)) } // the beginning of a handshake
	for name, test := range map[string]struct {
		scheme string
		serve  func(c net.Conn)
		want   cause.ID
		got    string
	}{
		"tls, during the handshake": {"tls", func(c net.Conn) {
			_, _ = io.WriteString(c, "INFO {\"tls_required\":true}\r\n")
			hello(c)
			_, _ = io.WriteString(c, words)
		}, cause.RateLimited, "throttling is active"},
		"tls, behind the greeting": {"tls", func(c net.Conn) {
			_, _ = io.WriteString(c, "INFO {\"tls_required\":true}\r\n"+words)
			silent(c)
		}, cause.RateLimited, "throttling is active"},
		"tls, too many at all": {"tls", func(c net.Conn) {
			_, _ = io.WriteString(c, "INFO {\"tls_required\":true}\r\n-ERR 'maximum connections exceeded'\r\n")
			silent(c)
		}, cause.BrokerFull, "maximum connections exceeded"},
		"tls, anything else": {"tls", func(c net.Conn) {
			_, _ = io.WriteString(c, "INFO {\"tls_required\":true}\r\n-ERR 'the moon is full'\r\n")
			silent(c)
		}, cause.ConnectionLost, "the moon is full"},
		"wss": {"wss", func(c net.Conn) {
			hello(c)
			_, _ = io.WriteString(c, words)
		}, cause.RateLimited, "throttling is active"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := connect(t, test.scheme+"://"+raw(t, test.serve), nil)
			f := cause.Of(err)
			if f == nil || f.Cause != test.want || !strings.Contains(f.Got, test.got) {
				t.Fatalf("got %v, want %s with %q", err, test.want, test.got)
			}
		})
	}
}

// TestLimitOfNATS: nats-server's own connection_rate_limit is known as what it is.
func TestLimitOfNATS(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeIdentity(t, dir)
	file := filepath.Join(dir, "nats.conf")
	config := "listen: \"127.0.0.1:-1\"\ntls { cert_file: \"" + cert + "\", key_file: \"" + key + "\", connection_rate_limit: 1 }\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := natsserver.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	o.NoSigs, o.NoLog = true, true
	s, err := natsserver.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("broker not ready within 10 s")
	}
	for range 20 { // whatever the time between two
		if _, err := connect(t, "tls://"+s.Addr().String(), nil); err != nil {
			if f := cause.Of(err); f == nil || f.Cause != cause.RateLimited {
				t.Errorf("got %v, want %s", err, cause.RateLimited)
			}
			return
		}
	}
	t.Error("20 connections were not limited")
}
