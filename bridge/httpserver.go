package bridge

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/tunnel"
	"github.com/fairlead-io/fairlead/deploy/reload"
)

// DefaultIdleTimeout is how long a connection may be without a request, unless
// [Config.IdleTimeout] says otherwise. A load balancer in front must give up an
// idle connection before the server does, or it sends a request on one that is
// being closed and answers 502: Google Cloud's keeps connections for 600 s, and
// most others for less.
const DefaultIdleTimeout = 630 * time.Second

// Bounds of the server's connections. None concerns the length of an exchange.
const (
	// readHeaderTimeout is how long a client may take to send a head.
	readHeaderTimeout = 10 * time.Second
	// maxHeaderBytes is the largest request head, as subjects.MaxHead.
	maxHeaderBytes = 1 << 20
	// maxConcurrentStreams is how many requests one HTTP/2 connection may have,
	// as many as at a kube-apiserver; clients open another one for more.
	maxConcurrentStreams = 250
	// maxReceiveBuffer is the window of one upload on an HTTP/2 connection, as
	// at a kube-apiserver: 5 MiB/s over a path of 50 ms. The connection's window
	// is that of all its uploads together (62.5 MiB), so that those that stand
	// still, each keeping its window full, leave the others theirs: the window
	// of a connection is given back only as handlers read.
	maxReceiveBuffer = 256 << 10
)

func newHTTPServer(h http.Handler, cfg *Config) *http.Server {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(!cfg.DisableHTTP2)
	return &http.Server{
		Handler:           h,
		Protocols:         &p,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		ConnContext:       tunnel.WithConn,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxConcurrentStreams,
			MaxReceiveBufferPerStream:     maxReceiveBuffer,
			MaxReceiveBufferPerConnection: maxReceiveBuffer * maxConcurrentStreams,
		},
		// Mostly port scans and health checks that hang up in the handshake.
		ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
}

// tls returns the configuration of a listener: t, which also asks for client
// certificates where that is configured.
func (c *Config) tls(t *tls.Config) *tls.Config {
	if c.ClientCAs == nil {
		return t
	}
	t = t.Clone()
	if t.NextProtos = []string{"h2", "http/1.1"}; c.DisableHTTP2 {
		t.NextProtos = []string{"http/1.1"}
	}
	reload.AskForCertificates(t, c.ClientCAs)
	return t
}
