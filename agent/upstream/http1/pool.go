package http1

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Config configures a [Pool]. All fields are required.
type Config struct {
	// Dial opens a connection to the one server that the pool is for.
	Dial func(ctx context.Context) (net.Conn, error)
	// MaxIdle is how many connections are kept for the next burst.
	MaxIdle int
	// MaxBusy is how many connections may be in use at a time; beyond them a request fails
	// with [ErrBusy].
	MaxBusy int
	// IdleTimeout is after what time without a request a connection is closed; it may be
	// half as much again.
	IdleTimeout time.Duration
	// MaxAge is for how long after it was opened a connection serves; it may be a quarter
	// less, so that those opened at once are not all replaced at once.
	MaxAge time.Duration
	// MaxHead bounds the head of a response, in bytes, together with those of the
	// interim responses (1xx) before it.
	MaxHead int
}

// Pool makes requests of one server. It is an [http.RoundTripper], and safe for
// concurrent use.
type Pool struct {
	cfg  Config
	busy atomic.Int64 // connections in use, and being opened

	retired atomic.Uint64 // how often Retire was called

	mu      sync.Mutex // guards those below
	idle    []*conn    // the one that was used last is the last
	sweeper *time.Timer
}

// New returns a pool without connections.
func New(cfg Config) *Pool { return &Pool{cfg: cfg} }

// Fits reports whether the body of a request is in memory, so that it can be written
// before the response is waited for: it has none, or one that can tell its length.
func Fits(req *http.Request) bool {
	if req.Body == nil || req.Body == http.NoBody {
		return true
	}
	_, ok := req.Body.(interface{ Len() int })
	return ok && len(req.Trailer) == 0
}

// ErrBusy says that as many connections as may be are in use. Nothing was sent.
var ErrBusy = errors.New("http1: all connections are in use")

// RoundTrip implements [http.RoundTripper] for a request that [Fits]. The response's
// body must be read to its end, by one goroutine at a time, or closed, by any. The error is
// [ErrBusy], that of Dial, that of the request's context, or of the connection.
func (p *Pool) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := check(req); err != nil {
		return nil, err
	}
	req = withoutEmptyBody(req)
	for {
		c, err := p.get(req.Context())
		if err != nil {
			return nil, err
		}
		resp, err := c.exchange(req)
		if err == nil {
			return resp, nil
		}
		if !c.mayRepeat(req) {
			return nil, err
		}
		if req, err = rewound(req); err != nil {
			return nil, err
		}
	}
}

var (
	errMethod = errors.New("http1: the method is not a token")
	errHeader = errors.New("http1: a header field has an invalid name or value")
)

// check refuses what [http.Request.Write] would write as it is, or leave out.
func check(req *http.Request) error {
	if !httpguts.ValidHeaderFieldName(req.Method) { // both are tokens
		return errMethod
	}
	for name, values := range req.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return errHeader
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return errHeader
			}
		}
	}
	return nil
}

// withoutEmptyBody returns req without a body of no bytes, which net/http would send as a
// chunked one.
func withoutEmptyBody(req *http.Request) *http.Request {
	if b, ok := req.Body.(interface{ Len() int }); !ok || b.Len() > 0 {
		return req
	}
	plain := *req
	plain.Body, plain.GetBody, plain.ContentLength = http.NoBody, nil, 0
	return &plain
}

// rewound returns req with its body at the beginning.
func rewound(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	if req.GetBody == nil {
		return nil, errors.New("http1: the connection was lost, and the body cannot be sent again")
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	again := *req
	again.Body = body
	return &again, nil
}

// get returns an idle connection that is still open, or a new one. The caller calls put or
// close.
func (p *Pool) get(ctx context.Context) (*conn, error) {
	if p.busy.Add(1) > int64(p.cfg.MaxBusy) {
		p.busy.Add(-1)
		return nil, ErrBusy
	}
	for {
		c := p.takeIdle()
		if c == nil {
			break
		}
		if c.current(time.Now()) && c.alive() {
			return c, nil
		}
		_ = c.Conn.Close()
	}
	retired := p.retired.Load()
	raw, err := p.cfg.Dial(ctx)
	if err != nil {
		p.busy.Add(-1)
		return nil, err
	}
	c := newConn(p, raw)
	c.retired, c.until = retired, time.Now().Add(p.cfg.MaxAge-rand.N(p.cfg.MaxAge/4))
	return c, nil
}

// current reports whether c may serve again, being neither too old nor retired.
func (c *conn) current(now time.Time) bool {
	return now.Before(c.until) && c.retired == c.pool.retired.Load()
}

func (p *Pool) takeIdle() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return c
}

// put keeps c for another request, or closes it if there are enough or it is not current.
func (p *Pool) put(c *conn) {
	c.served, c.idleSince = true, time.Now()
	p.mu.Lock()
	room := len(p.idle) < p.cfg.MaxIdle && c.current(c.idleSince)
	if room {
		p.idle = append(p.idle, c)
		if p.sweeper == nil {
			p.sweeper = time.AfterFunc(p.cfg.IdleTimeout/2, p.sweep)
		}
	}
	p.mu.Unlock()
	p.busy.Add(-1)
	if !room {
		_ = c.Conn.Close()
	}
}

// sweep closes the connections that have been idle for too long, are not current, or that
// the server has closed, and comes again while there are others.
func (p *Pool) sweep() {
	now := time.Now()
	p.mu.Lock()
	var over []*conn
	kept := p.idle[:0]
	for _, c := range p.idle {
		if now.Sub(c.idleSince) < p.cfg.IdleTimeout && c.current(now) && c.alive() {
			kept = append(kept, c)
		} else {
			over = append(over, c)
		}
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	if p.sweeper = nil; len(kept) > 0 {
		p.sweeper = time.AfterFunc(p.cfg.IdleTimeout/2, p.sweep)
	}
	p.mu.Unlock()
	for _, c := range over {
		_ = c.Conn.Close()
	}
}

// Retire has no request that is made after it use a connection that was opened before it.
// Those in use end their exchange and are then closed.
func (p *Pool) Retire() {
	p.retired.Add(1)
	p.CloseIdleConnections()
}

// CloseIdleConnections closes the connections that are not in use.
func (p *Pool) CloseIdleConnections() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	if p.sweeper != nil {
		p.sweeper.Stop()
		p.sweeper = nil
	}
	p.mu.Unlock()
	for _, c := range idle {
		_ = c.Conn.Close()
	}
}
