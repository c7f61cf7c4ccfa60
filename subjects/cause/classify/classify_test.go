package classify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// dialed is an error of package net for a connection that was not made.
func dialed(err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4222}, Err: os.NewSyscallError("connect", err)}
}

func TestError(t *testing.T) {
	for _, test := range []struct {
		hop  cause.Hop
		err  error
		want string // hop and cause
	}{
		{cause.TCP, &net.DNSError{Err: "no such host", Name: "b.example", IsNotFound: true}, "dns unknown-host"},
		{cause.NATS, &net.DNSError{Err: "server misbehaving", Name: "b.example", IsTemporary: true}, "dns dns-failed"},
		{cause.TCP, &net.DNSError{Err: "i/o timeout", Name: "b.example", IsTimeout: true}, "dns dns-failed"},
		{cause.Proxy, &net.DNSError{Err: "no such host", Name: "p.example", IsNotFound: true}, "proxy unknown-host"},
		{cause.Kubernetes, &net.DNSError{Err: "no such host", Name: "k.example", IsNotFound: true}, "kubernetes unknown-host"},
		{cause.NATS, dialed(syscall.ECONNREFUSED), "tcp connection-refused"},
		{cause.TCP, dialed(syscall.EHOSTUNREACH), "tcp network-unreachable"},
		{cause.TCP, dialed(syscall.ENETUNREACH), "tcp network-unreachable"},
		{cause.TCP, dialed(syscall.EPERM), "tcp network-unreachable"},
		{cause.TCP, dialed(syscall.ETIMEDOUT), "tcp timeout"},
		{cause.HTTPUpgrade, fmt.Errorf("x: %w", os.ErrDeadlineExceeded), "http-upgrade timeout"},
		{cause.TLS, context.DeadlineExceeded, "tls timeout"},
		{cause.TLS, io.EOF, "tls connection-lost"},
		{cause.Proxy, dialed(syscall.ECONNREFUSED), "proxy connection-refused"},
		{cause.Kubernetes, dialed(syscall.ECONNREFUSED), "kubernetes connection-refused"},
		{cause.NATS, &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, "nats connection-lost"},
		{cause.TLS, errors.New("tls: server selected unsupported protocol version 301"), "tls tls-refused"},
		{cause.NATS, errors.New("other"), "nats unknown"},
		{cause.NATS, fmt.Errorf("x: %w", &cause.Failure{Hop: cause.JWT, Cause: cause.UserRevoked}), "jwt user-revoked"},
	} {
		f := Error(test.hop, "reach it", test.err)
		if got := fmt.Sprintf("%s %s", f.Hop, f.Cause); got != test.want {
			t.Errorf("%s, %v: got %s, want %s", test.hop, test.err, got, test.want)
		}
		if !errors.Is(f, test.err) && cause.Of(test.err) == nil {
			t.Errorf("%v is not wrapped", test.err)
		}
	}
}

// TestSameWords: without this end's port, which is another each time, and fit for a log.
func TestSameWords(t *testing.T) {
	err := fmt.Errorf("hand\x1bshake: %w", &net.OpError{
		Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded,
		Source: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 40000}, Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443},
	})
	f := Error(cause.TLS, "agree\non TLS", err)
	if want := "tls: no answer in time (agree?on TLS): hand?shake: read tcp 192.0.2.1:443: i/o timeout"; f.Error() != want {
		t.Errorf("got  %s\nwant %s", f, want)
	}
	if got := Text(errors.New(strings.Repeat("ä", 5000))); len([]rune(got)) > 900 {
		t.Errorf("%d characters", len([]rune(got)))
	}
}
