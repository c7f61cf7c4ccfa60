package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/bridge/connection"
	"github.com/fairlead-io/fairlead/bridge/front"
	"github.com/fairlead-io/fairlead/bridge/operations"
	"github.com/fairlead-io/fairlead/bridge/platform"
	"github.com/fairlead-io/fairlead/bridge/settings"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
	"github.com/fairlead-io/fairlead/bridge/tunnel/socket"
	"github.com/fairlead-io/fairlead/bridge/ui"
	"github.com/fairlead-io/fairlead/deploy/requestid"
	"github.com/fairlead-io/fairlead/deploy/tracing/span"
)

// Server is the HTTP edge. It is safe for concurrent use.
type Server struct {
	cfg     Config
	base    string // path of the public URL, "" or "/..."
	metrics *metrics
	http    *http.Server

	// ctx governs every request; it ends when draining has taken long enough.
	ctx      context.Context
	cancel   context.CancelCauseFunc
	draining atomic.Bool
	// leaving ends as soon as the server takes no new connections.
	leaving context.Context
	leave   context.CancelFunc
	running atomic.Int64 // requests, upgraded connections among them

	door     access.Door
	tunnel   *tunnel.Tunnel
	platform platform.Platform
	// operations are queued requests.
	operations *operations.Service
	settings   *settings.Service
	ui         *ui.Service // nil: it is off
	front      frontProxy
	// connections are those that outlive their clients' networks.
	connections connection.Service
}

var errPanicked = errors.New("defect in the bridge")

// New returns a server that has not begun to listen.
func New(cfg Config) (*Server, error) {
	base, err := cfg.validate()
	if err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	s := &Server{cfg: cfg, base: base}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.leaving, s.leave = context.WithCancel(context.Background())
	if s.metrics, err = newMetrics(&cfg); err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	s.front.init()
	s.door = access.Door{Rules: cfg.Rules}
	s.tunnel = &tunnel.Tunnel{Tenants: cfg.Tenants, Leaving: s.leaving, Logger: cfg.Logger}
	s.platform = platform.Platform{
		Door: &s.door, Tunnel: s.tunnel, PublicURL: cfg.PublicURL,
		ClusterDomain: cfg.ClusterDomain, CA: cfg.CA, Ready: s.ready, Approvals: cfg.Approvals,
	}
	s.addRooms()
	if !cfg.DisableUI {
		s.ui = ui.New(ui.Config{Door: &s.door, API: s.platform.Serve, Events: cfg.Events, PublicURL: cfg.PublicURL})
	}
	if cfg.Registerer != nil {
		err := cfg.Registerer.Register(s.operations.Metrics())
		if s.settings.Desk != nil && err == nil {
			err = cfg.Registerer.Register(s.settings.Desk)
		}
		if err != nil {
			return nil, fmt.Errorf("bridge: register metrics: %w", err)
		}
	}
	s.http = newHTTPServer(withCORS(s, cfg.CORSOrigins), &cfg)
	s.http.RegisterOnShutdown(s.leave)
	s.http.BaseContext = func(net.Listener) context.Context { return s.ctx }
	return s, nil
}

// Serve serves l until the server is drained or closed. With a nil t it speaks plain
// HTTP, for use behind a TLS terminator. It closes l.
func (s *Server) Serve(l net.Listener, t *tls.Config) error {
	l = front.NewListener(l, s.cfg.TrustedProxies, s.cfg.ProxyProtocol, s.cfg.Logger)
	var err error
	if t == nil {
		err = s.http.Serve(l)
	} else {
		s.http.TLSConfig = s.cfg.tls(t)
		err = s.http.ServeTLS(l, "", "")
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

// growStack grows the goroutine's stack to what a request needs. net/http runs each
// HTTP/2 request on a new goroutine, whose small stack would grow when a dozen frames are on
// it: each of them has to be adjusted, which was a tenth of the CPU time of a small request.
// Here there are four.
//
//go:noinline
func growStack(at int) byte {
	var room [5 << 10]byte
	return room[at]
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 2 {
		growStack(0)
	}
	rec := answer.Record{ID: requestID(r), Start: time.Now(), Remote: s.cfg.TrustedProxies.Caller(r.RemoteAddr, r.Header)}
	w.Header()["X-Request-Id"] = rec.IDValue()
	rec.Span = s.cfg.Tracer.Serve(span.MethodName(r.Method), r.Header)
	if rec.Span.Recording() {
		r = r.WithContext(rec.Span.With(r.Context())) // for reviews by other services
	}
	s.running.Add(1)
	s.metrics.inFlight.Inc()
	defer s.finish(&rec, r, s.cfg.Audit.Follow(r, &rec))
	defer s.logPanic(r.Context(), &rec)
	s.route(w, r, &rec)
	if rec.Aborted != nil && !breakOff(w, r) {
		// net/http's way to break the connection or reset the stream, so that the
		// client does not take the part that was sent for a whole response.
		panic(http.ErrAbortHandler)
	}
}

// logPanic logs a defect, with its stack, where everybody sees it: net/http
// would do so at the level of its own log, which is debug here. The panic goes
// on and ends the request alone.
func (s *Server) logPanic(ctx context.Context, rec *answer.Record) {
	v := recover()
	switch v {
	case nil:
		return
	case http.ErrAbortHandler:
		panic(v)
	}
	s.cfg.Logger.ErrorContext(requestid.With(ctx, rec.ID), "panic while serving a request", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	rec.Status = http.StatusInternalServerError
	rec.Aborted = errPanicked
	panic(http.ErrAbortHandler)
}

// breakOff breaks the connection of an HTTP/1.0 client, for which the end of
// the connection can be the end of the body: net/http would close it as after
// a whole response.
func breakOff(w http.ResponseWriter, r *http.Request) bool {
	if r.ProtoMajor != 1 || r.ProtoMinor != 0 {
		return false
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	socket.CloseBroken(r.Context(), conn) // what was sent so far arrives, as it does for HTTP/1.1
	return true
}

func (s *Server) finish(rec *answer.Record, r *http.Request, trail audit.Followed) {
	took := time.Since(rec.Start)
	trail.End()
	endSpan(rec, r)
	s.noteCut(r, rec)
	s.running.Add(-1)
	s.metrics.inFlight.Dec()
	s.metrics.observe(r.Method, rec, took)
	s.metrics.carried(rec)
	s.log(rec, r, took)
}
