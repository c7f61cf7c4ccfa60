package dial

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
)

// Timeout bounds one attempt to connect to one server, with all steps until the
// NATS protocol begins.
const Timeout = 10 * time.Second

// Dialer connects to one server, once. It implements nats.CustomDialer.
type Dialer struct {
	// Server is the URL of the server: tls, wss, nats or ws.
	Server *url.URL
	// TLS verifies a tls or wss server.
	TLS *tls.Config
	// Proxy is how forward proxies are used, nil for not at all.
	Proxy *proxy.Proxies
	// Header is sent with a WebSocket handshake; Host, if it is there, instead of the
	// server's. Its values are shown nowhere.
	Header http.Header
	// Timeout replaces the constant of that name, for tests.
	Timeout time.Duration
	// Trace, if not nil, gets each step when it is over, in order, for those who
	// show them. It must not block.
	Trace func(Step)
	// KnownClock, if not nil, returns another machine's clock as it was measured elsewhere,
	// for attempts that get no response with a date, as over tls://. It must not block.
	KnownClock func() *Clock

	clock    atomic.Pointer[Clock] // see OtherClock
	deadline time.Time
	via      string // the name of the proxy, "" before it is chosen and for none
	viaHost  string // its host

	mu      sync.Mutex         // guards all below
	cancel  context.CancelFunc // ends name resolution and dialing; nil before
	current net.Conn           // the latest connection, nil before
	aborted bool
	err     error // why it failed
}

// Err returns why the connection could not be made, if it failed in a step that
// this package takes: nats.go hides some of these errors.
func (d *Dialer) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// Abort closes the connection, whatever it is doing, and prevents further ones.
func (d *Dialer) Abort() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.aborted = true
	if d.cancel != nil {
		d.cancel()
	}
	if d.current != nil {
		_ = d.current.Close()
	}
}

var errAborted = errors.New("aborted")

// begin makes Abort call cancel from now on.
func (d *Dialer) begin(cancel context.CancelFunc) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.aborted {
		return errAborted
	}
	d.cancel = cancel
	return nil
}

// track makes Abort close c from now on.
func (d *Dialer) track(c net.Conn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.aborted {
		_ = c.Close()
		return errAborted
	}
	d.current = c
	return nil
}

func (d *Dialer) failed(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
	return err
}

// WebSocket reports whether the server is reached by WebSocket.
func (d *Dialer) WebSocket() bool { return d.Server.Scheme == "wss" || d.Server.Scheme == "ws" }

// URL is the server's URL for nats.go, to which a WebSocket looks like a TCP
// connection.
func (d *Dialer) URL() string {
	u := url.URL{Scheme: d.Server.Scheme, Host: Address(d.Server)}
	if d.WebSocket() {
		u.Scheme = "nats"
	}
	return u.String()
}

// SkipTLSHandshake tells nats.go that TLS is none of its business. It is made here, so
// that its failures are told. A broker's WebSocket port with TLS says in its greeting
// that TLS is required, and a client of TCP would begin a handshake inside the WebSocket.
func (d *Dialer) SkipTLSHandshake() bool { return true }

// Address is the host and port of a server, with its scheme's default port.
func Address(server *url.URL) string {
	port := server.Port()
	if port == "" {
		port = map[string]string{"wss": "443", "ws": "80", "https": "443", "http": "80"}[server.Scheme]
	}
	if port == "" {
		port = "4222"
	}
	return net.JoinHostPort(server.Hostname(), port)
}

// Dial implements nats.CustomDialer. It ignores its arguments: it connects to the
// dialer's own server.
func (d *Dialer) Dial(_, _ string) (net.Conn, error) {
	limit := d.Timeout
	if limit == 0 {
		limit = Timeout
	}
	d.deadline = time.Now().Add(limit)
	conn, err := d.open()
	if err == nil && d.WebSocket() {
		conn, err = d.upgrade(conn)
	}
	if err == nil {
		conn, err = d.greeted(conn)
	}
	if err != nil {
		return nil, d.failed(err)
	}
	return conn, nil
}

// greeted returns conn, on which a NATS server greets, after the greeting and, where the
// URL or the server demands it, TLS. After an error conn is closed.
func (d *Dialer) greeted(conn net.Conn) (net.Conn, error) {
	early, err := d.greet(conn)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	if d.secured(early) {
		// Whatever came behind the line is not under TLS, and is dropped with it.
		end := bytes.IndexByte(early, '\n') + 1
		if f := d.refusedBeforeTLS(early[end:]); f != nil {
			_ = conn.Close()
			return nil, f
		}
		early = early[:end]
		if conn, err = d.secureNATS(conn, early); err != nil {
			return nil, err
		}
	}
	return &greetedConn{Conn: conn, early: early}, nil
}

// open connects to the point where the server's protocol begins: HTTP for
// WebSocket, otherwise the greeting of NATS.
func (d *Dialer) open() (net.Conn, error) {
	ctx, cancel := context.WithDeadline(context.Background(), d.deadline)
	defer cancel()
	if err := d.begin(cancel); err != nil {
		return nil, err
	}
	conn, err := d.reach(ctx)
	if err != nil {
		return nil, err
	}
	if d.Server.Scheme != "wss" {
		return conn, nil
	}
	return d.secure(conn, "http/1.1")
}

// reach connects to the server, through a proxy or directly.
func (d *Dialer) reach(ctx context.Context) (net.Conn, error) {
	if d.Proxy != nil {
		through, err := d.Proxy.For(d.Server)
		if err != nil {
			return nil, err
		}
		if through != nil {
			return d.throughProxy(ctx, through)
		}
	}
	return d.dialTCP(ctx, cause.TCP, Address(d.Server))
}

// throughProxy connects to the server through a proxy.
func (d *Dialer) throughProxy(ctx context.Context, through *url.URL) (net.Conn, error) {
	d.via, d.viaHost = "proxy "+proxy.Name(through), through.Hostname()
	began := time.Now()
	proxies := *d.Proxy
	var clock, heard time.Time // of the proxy, and when it was told
	proxies.OnDate = func(date time.Time) {
		clock, heard = date, time.Now()
		d.noteClock("the forward proxy", date)
	}
	conn, err := proxies.Connect(ctx, through, Address(d.Server), func(ctx context.Context, address string) (net.Conn, error) {
		return d.dialTCP(ctx, cause.Proxy, address)
	})
	if !clock.IsZero() {
		clock = clock.Add(time.Since(heard)) // as it is at the end of the step
	}
	d.trace(began, Step{Hop: cause.Proxy, Target: Address(d.Server), Date: clock, Err: err})
	return conn, err
}
