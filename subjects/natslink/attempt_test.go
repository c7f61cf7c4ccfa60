package natslink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// fullListener returns the address of a listener whose queue is full: the
// kernel drops the SYNs of further connections.
func fullListener(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	for range 16 {
		c, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Skip("this kernel takes more connections than a listener's queue holds")
	return ""
}

// TestAttemptsEnd: brokers that never answered hold neither Connect nor Close
// up once the caller has given up.
func TestAttemptsEnd(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, and nothing is said
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, url := range map[string]string{
		"SYNs dropped":      "nats://" + fullListener(t),
		"no greeting":       "nats://" + silent.Addr().String(),
		"no answer on ws":   "ws://" + silent.Addr().String(),
		"no TLS handshake":  "wss://" + silent.Addr().String(),
		"several of a kind": "nats://" + silent.Addr().String() + ",nats://" + silent.Addr().String(),
	} {
		t.Run(name, func(t *testing.T) {
			const patience = 300 * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			began := time.Now()
			o := options(strings.Split(url, ",")...)
			o.TLS = &tls.Config{}
			nc, err := Connect(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			b, err := NewBridge(nc, BridgeConfig{ID: "b1"})
			if err != nil {
				t.Fatal(err)
			}
			_ = b.Close()
			nc.Close()
			if took := time.Since(began); took > patience+time.Second {
				t.Errorf("Connect and Close took %v, want little more than the %v until it was given up", took, patience)
			}
		})
	}
}

// TestAttemptsAreBounded: each attempt ends by itself, so that the next broker
// gets its turn, in whatever step this one stops answering.
func TestAttemptsAreBounded(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c, err := attempts{ctx: t.Context(), limit: 100 * time.Millisecond}.Dial("tcp", silent.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := tls.Client(c, &tls.Config{ServerName: "broker"}).Handshake(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("handshake with a broker that says nothing: %v, want %v", err, os.ErrDeadlineExceeded)
	}
}

// TestCloseWhileReconnecting: the broker went away, and what now listens in its
// place says nothing.
func TestCloseWhileReconnecting(t *testing.T) {
	srv := startServer(t, 0)
	address := srv.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	nc, err := Connect(ctx, options(srv.ClientURL()))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	b, err := NewBridge(nc, BridgeConfig{ID: "b1"})
	if err != nil {
		t.Fatal(err)
	}
	stopServer(srv)
	mute, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	c, err := mute.Accept() // so it is being dialed
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	cancel()
	_ = b.Close()
	nc.Close()
	if took := time.Since(began); took > time.Second {
		t.Errorf("closed after %v, want at once", took)
	}
}

// TestCloseWhileWriting: the broker reads nothing any more, so that a write
// waits, with nats.go's lock held.
func TestCloseWhileWriting(t *testing.T) {
	type end interface{ Close() error }
	for name, start := range map[string]func(ctx context.Context, o ConnectOptions) (nc *nats.Conn, e end, write func(), err error){
		"bridge": func(ctx context.Context, o ConnectOptions) (*nats.Conn, end, func(), error) {
			nc, err := Connect(ctx, o)
			if err != nil {
				return nil, nil, nil, err
			}
			b, err := NewBridge(nc, BridgeConfig{ID: "b1"})
			return nc, b, func() { _ = b.Query("prod") }, err
		},
		"agent": func(ctx context.Context, o ConnectOptions) (*nats.Conn, end, func(), error) {
			nc, err := ConnectOnce(ctx, o)
			if err != nil {
				return nil, nil, nil, err
			}
			a, err := NewAgent(nc, agentConfig(echo))
			return nc, a, a.Announce, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := startServer(t, 0)
			defer stopServer(srv)
			d := newStuckDialer(srv.Addr().String())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := options(srv.ClientURL())
			o.Dialer = d
			nc, e, write, err := start(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if err := nc.FlushTimeout(10 * time.Second); err != nil {
				t.Fatal(err)
			}
			close(d.stop)
			var wg sync.WaitGroup
			wg.Go(write)
			select {
			case <-d.blocked:
			case <-time.After(10 * time.Second):
				t.Fatal("nothing was written within 10 s")
			}
			began := time.Now()
			cancel()
			_ = e.Close()
			nc.Close()
			if took := time.Since(began); took > partingTimeout+time.Second {
				t.Errorf("closed after %v, want within %v", took, partingTimeout)
			}
			wg.Wait()
		})
	}
}

// TestEstablishedConnectionsStay: the end of the attempts is not the end of a
// connection that works, whatever it runs over.
func TestEstablishedConnectionsStay(t *testing.T) {
	https := httptest.NewTLSServer(nil)
	defer https.Close()
	certificate := &tls.Config{Certificates: https.TLS.Certificates, MinVersion: tls.VersionTLS12}
	roots := x509.NewCertPool()
	roots.AddCert(https.Certificate())
	for scheme, configure := range map[string]func(*server.Options){
		"nats": func(*server.Options) {},
		"tls":  func(o *server.Options) { o.TLSConfig = certificate },
		"ws":   func(o *server.Options) { o.Websocket = server.WebsocketOpts{Host: "127.0.0.1", Port: -1, NoTLS: true} },
		"wss": func(o *server.Options) {
			o.Websocket = server.WebsocketOpts{Host: "127.0.0.1", Port: -1, TLSConfig: certificate}
		},
		"in process": func(*server.Options) {},
	} {
		t.Run(scheme, func(t *testing.T) {
			so := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true}
			configure(so)
			srv, err := server.NewServer(so)
			if err != nil {
				t.Fatal(err)
			}
			srv.Start()
			defer stopServer(srv)
			if !srv.ReadyForConnections(10 * time.Second) {
				t.Fatal("server not ready within 10 s")
			}
			url := srv.ClientURL()
			if strings.HasPrefix(scheme, "ws") {
				url = srv.WebsocketURL()
			}
			o := options(url)
			if scheme == "tls" || scheme == "wss" {
				o.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
			}
			if scheme == "in process" {
				o.InProcess = srv
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			nc, err := Connect(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			eventually.True(t, "the connection is established", nc.IsConnected)
			cancel()
			if err := nc.FlushTimeout(5 * time.Second); err != nil {
				t.Errorf("after the end of the attempts: %v", err)
			}
		})
	}
}
