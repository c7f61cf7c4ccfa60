//lint:file-ignore SA1019 what net/http offers instead (Go 1.26) dials a connection for each request of a first burst, and does not tell of streams that the server resets

package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"github.com/fairlead-io/fairlead/subjects"
)

// protocolAgain is how long HTTP/1.1 is used for an API server that does not
// speak HTTP/2 before HTTP/2 is tried again: it may have been replaced.
const protocolAgain = 10 * time.Minute

// errNoHTTP2 says that a server does not speak HTTP/2. Nothing was sent to it.
var errNoHTTP2 = errors.New("API server does not speak HTTP/2")

// multiplexer sends requests over HTTP/2, many on a connection. However many
// requests arrive at once, one connection is opened at a time, and another only
// when the server accepts no more streams on the existing ones.
type multiplexer struct {
	make      func() (*http2.Transport, error)
	transport atomic.Pointer[http2.Transport]
	// absent is until when, in Unix seconds, the server is presumed not to speak
	// HTTP/2; 0 if it is presumed to.
	absent atomic.Int64
	// protocolResets counts streams that the server has reset with PROTOCOL_ERROR;
	// see package serve, replay.go.
	protocolResets atomic.Uint64
}

// newMultiplexer takes its limits from like; dial must return a connection
// that has negotiated HTTP/2, or errNoHTTP2.
func newMultiplexer(like *http.Transport, dial func(ctx context.Context, network, address string) (net.Conn, error)) (*multiplexer, error) {
	m := new(multiplexer)
	m.make = func() (*http2.Transport, error) {
		t, err := http2.ConfigureTransports(like.Clone())
		if err != nil {
			return nil, err
		}
		t.ConnPool = nil // its own, which dials
		t.DialTLSContext = func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
			return dial(ctx, network, address)
		}
		t.CountError = func(what string) {
			if what == "recv_rststream_PROTOCOL_ERROR" {
				m.protocolResets.Add(1)
			}
		}
		return t, nil
	}
	t, err := m.make()
	if err != nil {
		return nil, err
	}
	m.transport.Store(t)
	return m, nil
}

// renew has no request that is made after it use a connection that was opened before it.
// Those in use are closed idleTimeout after their last stream has ended.
func (m *multiplexer) renew() {
	if t, err := m.make(); err == nil { // it was made before
		m.transport.Swap(t).CloseIdleConnections()
	}
}

// offered reports whether the server is presumed to speak HTTP/2.
func (m *multiplexer) offered() bool {
	absent := m.absent.Load()
	return absent == 0 || time.Now().Unix() >= absent
}

// RoundTrip sends req. errNoHTTP2 leaves req as it was.
func (m *multiplexer) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := m.transport.Load().RoundTrip(req)
	if err != nil && errors.Is(err, errNoHTTP2) {
		m.absent.Store(time.Now().Add(protocolAgain).Unix())
	}
	return resp, err
}

// close closes connections that are not in use.
func (m *multiplexer) close() { m.transport.Load().CloseIdleConnections() }

// limits are those of every connection to the API server.
func limits() *http.Transport {
	return &http.Transport{
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: subjects.MaxHead,
		DisableCompression:     true,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: streamBuffer, SendPingTimeout: pingAfter, PingTimeout: pingTimeout,
		},
	}
}

// notExecuted reports whether err, of a request that net/http has given up
// sending again, is the server's word that it has not executed it: a stream
// that it refused, or one above the last stream of its GOAWAY (RFC 9113, 6.8
// and 8.7).
func notExecuted(err error) bool {
	if e, ok := errors.AsType[http2.StreamError](err); ok {
		return e.Code == http2.ErrCodeRefusedStream
	}
	// x/net has neither a type nor a variable for these two.
	text := err.Error()
	return strings.Contains(text, "http2: Transport received Server's graceful shutdown GOAWAY") ||
		strings.Contains(text, "http2: Transport received GOAWAY from server ErrCode:")
}
