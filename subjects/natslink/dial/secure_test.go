package dial

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// tunnel is a proxy that connects everything to one server and shows its own clock.
func tunnel(t *testing.T, to string, date time.Time) *url.URL {
	at := raw(t, func(c net.Conn) {
		b := make([]byte, 4<<10)
		if n, err := c.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "CONNECT ") {
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nDate: %s\r\n\r\n", date.UTC().Format(http.TimeFormat))
		go func() { _, _ = io.Copy(server, c); _ = server.Close() }()
		_, _ = io.Copy(c, server)
	})
	return &url.URL{Scheme: "http", Host: at}
}

// TestTLSBehindGreeting: a tls:// server's certificate is judged here, as a wss://
// server's is, and one without TLS is told from one whose certificate is wrong.
func TestTLSBehindGreeting(t *testing.T) {
	b := startBroker(t)
	_, err := connect(t, "tls://"+b.tcp, func(d *Dialer) { d.TLS = &tls.Config{MinVersion: tls.VersionTLS12} })
	wantCause(t, err, cause.CertificateUnknown, "signed by unknown authority", "SHA-256 of the leaf")
	_, err = connect(t, "tls://"+raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "INFO {}\r\n"); silent(c) }), nil)
	wantCause(t, err, cause.NotTLS, "TLS switched off")
}

// TestTLSThatTheServerDemands: with nats:// the server decides, and its certificate is
// judged here too.
func TestTLSThatTheServerDemands(t *testing.T) {
	b := startBroker(t)
	nc, err := connect(t, "nats://"+b.tcp, nil)
	if err != nil {
		t.Fatal(err)
	}
	works(t, nc)
	_, err = connect(t, "nats://"+b.tcp, func(d *Dialer) { d.TLS = &tls.Config{MinVersion: tls.VersionTLS12} })
	wantCause(t, err, cause.CertificateUnknown, "signed by unknown authority", "SHA-256 of the leaf")
}

// TestSuspects: what else is known of an attempt improves the cause of a certificate
// that does not verify.
func TestSuspects(t *testing.T) {
	ca, device := testca.New(t, "fairlead private CA"), testca.New(t, "Corp TLS inspection")
	serve := func(ca *testca.CA, until time.Time) string {
		cert, err := ca.Certify(&x509.Certificate{
			Subject: pkix.Name{CommonName: "b"}, DNSNames: []string{"broker.test"}, NotBefore: until.Add(-time.Hour), NotAfter: until,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		if err != nil {
			t.Fatal(err)
		}
		return raw(t, func(c net.Conn) {
			_ = tls.Server(c, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}).Handshake()
			silent(c)
		})
	}
	good, old := serve(ca, time.Now().Add(time.Hour)), serve(ca, time.Now().Add(-time.Hour))
	for name, test := range map[string]struct {
		at    string
		roots *x509.CertPool
		clock time.Duration // of the proxy, ahead
		want  cause.ID
		says  string
	}{
		"another private CA":     {good, clientTLS().RootCAs, 0, cause.CertificateUnknown, "unknown authority"},
		"no CA":                  {good, nil, 0, cause.CertificateUnknown, "unknown authority"},
		"the CA made again":      {good, testca.New(t, "fairlead private CA").Pool(), 0, cause.CertificateUnknown, "is known here and has another key"},
		"a device's certificate": {serve(device, time.Now().Add(time.Hour)), ca.Pool(), 0, cause.Intercepted, "unknown authority"},
		"expired":                {old, ca.Pool(), 0, cause.CertificateExpired, "has expired on"},
		"expired by this clock":  {old, ca.Pool(), -90 * time.Minute, cause.ClockSkew, "clock is about 1h30m0s ahead of"},
		"expired by every clock": {old, ca.Pool(), 90 * time.Minute, cause.CertificateExpired, "clock is about 1h30m0s behind that of the forward proxy; "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			via := tunnel(t, test.at, time.Now().Add(test.clock))
			_, err := connect(t, "wss://broker.test", func(d *Dialer) {
				d.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: test.roots}
				d.Proxy = &proxy.Proxies{For: func(*url.URL) (*url.URL, error) { return via, nil }}
			})
			wantCause(t, err, test.want, test.says)
			if f := cause.Of(err); f.Cause == cause.CertificateUnknown && (!strings.Contains(f.Cure(), via.Host) || !strings.Contains(f.Cure(), "exempted from inspection")) {
				t.Errorf("interception is not named as a possibility: %s", f.Cure())
			}
		})
	}
}

// TestClockKnownFromElsewhere: over tls:// no response has a date, so that a clock that
// was measured elsewhere explains a certificate that seems to have expired.
func TestClockKnownFromElsewhere(t *testing.T) {
	ca := testca.New(t, "other")
	cert, err := ca.Certify(&x509.Certificate{
		DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		t.Fatal(err)
	}
	at := raw(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "INFO {\"tls_required\":true}\r\n")
		_ = tls.Server(c, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}).Handshake()
		silent(c)
	})
	for ahead, want := range map[time.Duration]cause.ID{0: cause.CertificateExpired, -90 * time.Minute: cause.ClockSkew} {
		_, err := connect(t, "tls://"+at, func(d *Dialer) {
			d.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ca.Pool(), ServerName: "localhost"}
			d.KnownClock = func() *Clock { return &Clock{Ahead: ahead, Of: "the API server"} }
		})
		says := "has expired on"
		if ahead != 0 {
			says = "this machine's clock is about 1h30m0s ahead of that of the API server; "
		}
		wantCause(t, err, want, says)
	}
}
