package load

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Client does jobs, one at a time. It keeps connections for the next job.
type Client struct {
	idle       map[target][]conn
	held       []conn
	transports map[target]*http.Transport // for HTTP/2
}

// NewClient returns a client without connections.
func NewClient() *Client {
	return &Client{idle: make(map[target][]conn), transports: make(map[target]*http.Transport)}
}

// Close closes all connections.
func (c *Client) Close() {
	for _, list := range c.idle {
		closeAll(list)
	}
	clear(c.idle)
	closeAll(c.held)
	c.held = nil
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}

// dialer returns what makes connections to t. It may be called at the same time, while
// dialer itself may not.
func (c *Client) dialer(t target) (func() (conn, error), error) {
	if t.scheme == "http" {
		return func() (conn, error) { return dialHTTP1(t.addr) }, nil
	}
	transport := c.transports[t]
	if transport == nil {
		var err error
		if transport, err = newTransport(t.ca); err != nil {
			return nil, err
		}
		c.transports[t] = transport
	}
	return func() (conn, error) { return newHTTP2(transport), nil }, nil
}

// Do does a job. The result is valid only if the error is nil.
func (c *Client) Do(j Job) (Result, error) {
	if err := j.validate(); err != nil {
		return Result{}, err
	}
	t, err := parseTarget(j)
	if err != nil {
		return Result{}, err
	}
	do, ok := map[string]func(Job, target) (Result, error){
		OpUnary: c.unary, OpDownload: c.download, OpUpload: c.upload, OpBeside: c.beside,
		OpWatch: c.watch, OpHold: c.hold, OpRelease: c.release,
	}[j.Op]
	if !ok {
		return Result{}, fmt.Errorf("op: %q is not an operation", j.Op)
	}
	r, err := do(j, t)
	if err != nil {
		return Result{}, fmt.Errorf("%s %s: %w", j.Op, j.URL, err)
	}
	return r, nil
}

// take returns n connections to t that have already carried an exchange, so that
// the start of connections is not measured.
func (c *Client) take(t target, n int, deadline time.Time) ([]conn, error) {
	dial, err := c.dialer(t)
	if err != nil {
		return nil, err
	}
	var conns []conn
	warm := t.request("GET", PathUnary, -1)
	scratch := make([]byte, bufferSize)
	for len(conns) < n {
		var k conn
		if idle := c.idle[t]; len(idle) > 0 {
			k, c.idle[t] = idle[len(idle)-1], idle[:len(idle)-1]
			if !alive(k, warm, scratch, deadline) {
				_ = k.Close()
				continue
			}
		} else {
			if k, err = dial(); err != nil {
				closeAll(conns)
				return nil, err
			}
			_ = k.SetDeadline(deadline)
			if _, err := exchange(k, warm, scratch); err != nil {
				closeAll(append(conns, k))
				return nil, fmt.Errorf("first request: %w", err)
			}
		}
		conns = append(conns, k)
	}
	return conns, nil
}

// alive reports whether a kept connection still works: servers close connections
// that have been idle for long.
func alive(k conn, r *request, scratch []byte, deadline time.Time) bool {
	_ = k.SetDeadline(deadline)
	_, err := exchange(k, r, scratch)
	return err == nil
}

// put keeps the connections that can be used again and closes the others.
func (c *Client) put(t target, conns []conn) {
	for _, k := range conns {
		if k.reusable() {
			c.idle[t] = append(c.idle[t], k)
		} else {
			_ = k.Close()
		}
	}
}

func closeAll(conns []conn) {
	for _, k := range conns {
		_ = k.Close()
	}
}

// each runs f for every connection at the same time and returns the errors.
func each(conns []conn, f func(i int, k conn) error) error {
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, k := range conns {
		wg.Go(func() { errs[i] = f(i, k) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Quantiles returns the median and the 99th percentile in microseconds. It
// sorts samples.
func Quantiles(samples []time.Duration) (p50, p99 float64) {
	if len(samples) == 0 {
		return 0, 0
	}
	slices.Sort(samples)
	at := func(q float64) float64 {
		i := min(int(q*float64(len(samples))), len(samples)-1)
		return float64(samples[i]) / float64(time.Microsecond)
	}
	return at(0.50), at(0.99)
}
