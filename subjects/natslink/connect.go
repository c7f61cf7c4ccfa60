package natslink

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/natslink/lane"
)

// ConnectOptions configures [Connect].
type ConnectOptions struct {
	// Name is shown in the broker's connection list.
	Name string
	// Servers are the broker's URLs (tls://, wss://, nats://, ws://). They are tried
	// in random order. A Dialer that chooses the server itself needs none.
	Servers []string
	// CredsFile is the path of a credentials file as nsc writes it. It is read at
	// each attempt.
	CredsFile string
	// UserJWT and SignNonce authenticate if there is no file. UserJWT is called
	// at each attempt.
	UserJWT   func() (string, error)
	SignNonce func(nonce []byte) ([]byte, error)
	// TLS verifies the broker; it is used for every tls:// and wss:// server.
	TLS *tls.Config
	// Dialer, if not nil, makes the connections to Servers. It gets their names and
	// ports. It is responsible for TLS to wss:// servers, and to all if it has a
	// method SkipTLSHandshake() bool that returns true. If it has a method
	// RetryDelay(attempts int) time.Duration, that takes the place of [RetryDelay].
	Dialer nats.CustomDialer
	// InProcess connects to an embedded broker instead of Servers.
	InProcess nats.InProcessConnProvider
	// InboxPrefix is where answers to requests arrive; "": the connection makes no
	// requests.
	InboxPrefix string
	// OnDown is called when the connection is lost, with the reason, and OnUp when
	// it is established. They must not block.
	OnDown func(error)
	OnUp   func()
	// OnError is called for errors that do not end the connection and for failed
	// attempts to connect, until the context ends. It must not block.
	OnError func(error)
	// Logger gets failures to connect. Default: discard.
	Logger *slog.Logger
}

const (
	// dialTimeout bounds one attempt, TLS and authentication included.
	dialTimeout = 10 * time.Second
	// pingInterval and maxPings detect a dead path within 15 s (see heardConn), and
	// keep the connection busy enough for proxies that cut idle ones after a minute.
	pingInterval = 5 * time.Second
	maxPings     = 2
	// writeTimeout bounds how long a broker that reads nothing can block a publish.
	// After that the connection is closed.
	writeTimeout = 10 * time.Second
	// Attempts are spread evenly over a time that doubles from firstRetry to
	// lastRetry: a thousand agents that lose a node do not come back at once. Even
	// after a long outage each tries within lastRetry of its end, which leaves time for
	// the broker's admission rate until 15 s.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// Connect returns a connection that reconnects whenever it is lost, until it is
// closed. It may still be connecting. An error means that the options cannot work.
//
// The end of ctx ends all attempts to connect, the one under way included. It does
// not affect an established connection. End ctx before closing the connection:
// otherwise Close waits for a broker that does not answer, for up to 10 s.
func Connect(ctx context.Context, o ConnectOptions) (*nats.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	opts, err := o.options(ctx)
	if err != nil {
		return nil, err
	}
	opts.AllowReconnect = true
	opts.MaxReconnect = -1
	opts.RetryOnFailedConnect = true
	nc, err := opts.Connect()
	if err != nil {
		return nil, fmt.Errorf("connect to broker: %w", err)
	}
	return nc, nil
}

// ConnectOnce makes one attempt. It returns an established connection, which does
// not reconnect. It is for callers that need a better reason for a failed attempt
// than nats.go gives, or other credentials for the next attempt: they retry by
// themselves. The end of ctx ends the attempt; after it, a broker that reads nothing
// delays Close by at most 2 s.
func ConnectOnce(ctx context.Context, o ConnectOptions) (*nats.Conn, error) {
	opts, err := o.options(ctx)
	if err != nil {
		return nil, err
	}
	opts.AllowReconnect = false
	opts.DisconnectedErrCB = func(nc *nats.Conn, err error) {
		if err == nil {
			err = nc.LastError() // nats.go passes nil if it does not reconnect
		}
		if o.OnDown != nil {
			o.OnDown(err)
		}
	}
	nc, err := opts.Connect()
	if err != nil {
		return nil, fmt.Errorf("connect to broker: %w", err)
	}
	return nc, nil
}

// options returns the options of every connection.
func (o *ConnectOptions) options(ctx context.Context) (*nats.Options, error) {
	opts := nats.GetDefaultOptions()
	opts.Servers = o.Servers
	opts.Name = o.Name
	opts.TLSConfig = o.TLS
	opts.Timeout = dialTimeout
	opts.PingInterval = pingInterval
	opts.MaxPingsOut = maxPings
	opts.FlusherTimeout = writeTimeout
	opts.ReconnectOnFlusherError = true
	opts.IgnoreAuthErrorAbort = true
	opts.IgnoreDiscoveredServers = true
	opts.ReconnectBufSize = -1
	opts.ReconnectWait = 0
	opts.ReconnectJitter, opts.ReconnectJitterTLS = firstRetry, firstRetry
	opts.CustomReconnectDelayCB = RetryDelay
	opts.InboxPrefix = cmp.Or(o.InboxPrefix, "_unused") // which is never asked for or allowed
	attempts := attempts{ctx: ctx, inner: o.Dialer, limit: dialTimeout, latest: new(latestFailure)}
	if o.InProcess != nil || attempts.SkipTLSHandshake() {
		attempts.lane = &lane.Lane{WriteTimeout: writeTimeout}
	}
	if o.InProcess != nil {
		opts.InProcessServer = inProcessAttempts{attempts, InProcess(o.InProcess)}
		opts.Servers = []string{"nats://in-process"}
	} else {
		o.dialed(&opts, attempts)
	}
	switch {
	case o.CredsFile != "":
		if err := nats.UserCredentials(o.CredsFile)(&opts); err != nil {
			return nil, fmt.Errorf("read credentials: %w", err)
		}
	case o.UserJWT != nil && o.SignNonce != nil:
		opts.UserJWT, opts.SignatureCB = o.UserJWT, o.SignNonce
	default:
		return nil, errors.New("connect to broker: neither a credentials file nor a user JWT given")
	}
	onError := func(err error) {
		if o.OnError != nil && err != nil && ctx.Err() == nil { // once ctx has ended, failures are expected
			o.OnError(attempts.latest.behind(err))
		}
	}
	opts.DisconnectedErrCB = func(_ *nats.Conn, err error) {
		if o.OnDown != nil {
			o.OnDown(err)
		}
	}
	up := func(*nats.Conn) {
		if o.OnUp != nil {
			o.OnUp()
		}
	}
	opts.ConnectedCB, opts.ReconnectedCB = up, up
	opts.ReconnectErrCB = func(_ *nats.Conn, err error) { onError(err) }
	opts.AsyncErrorCB = func(_ *nats.Conn, _ *nats.Subscription, err error) { onError(err) }
	return &opts, nil
}

// dialed sets how connections by network are made.
func (o *ConnectOptions) dialed(opts *nats.Options, a attempts) {
	opts.CustomDialer, opts.SkipHostLookup = a, true
	if o.Dialer == nil {
		return
	}
	if len(o.Servers) == 0 {
		opts.Servers = []string{"nats://broker"}
	}
	if d, ok := o.Dialer.(interface{ RetryDelay(int) time.Duration }); ok {
		opts.CustomReconnectDelayCB = d.RetryDelay
	}
}

// RetryDelay returns how long to wait before the next attempt, once every server
// has been tried attempts times. It is evenly random between nothing and a bound that
// doubles from 100 ms to 10 s.
func RetryDelay(attempts int) time.Duration {
	d := firstRetry << min(max(attempts-1, 0), 10)
	return rand.N(min(d, lastRetry)) + time.Millisecond
}
