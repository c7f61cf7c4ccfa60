package bridge

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// metric is the sum of a metric's values over all its labels; a histogram's
// value is its count.
func (r *rig) metric(name string) float64 {
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// client makes a client of one version of HTTP. See [rig.clientOf].
func (r *rig) client(h2 bool) *http.Client { return r.clientOf(r.transport(h2)) }

func (r *rig) transport(h2 bool) *http.Transport {
	var p http.Protocols
	p.SetHTTP1(!h2)
	p.SetHTTP2(h2)
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: r.roots}, Protocols: &p, DisableCompression: true,
		MaxIdleConnsPerHost: 100,
	}
}

// clientOf makes a client whose every request below /v1, and the response to it, is held
// against platform/openapi.yaml: see package openapitest. What is not described fails the
// test. After all tests, TestMain wants each described response to have been seen by one
// (see openapi_test.go), so that a route that is added is described, and tested with the
// rig's clients. A raw connection ([rig.raw]) is not checked.
func (r *rig) clientOf(t *http.Transport) *http.Client {
	return &http.Client{
		Transport:     described().Transport(t, r.misdescribed),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// misdescribed fails the test, unless it is over.
func (r *rig) misdescribed(fault string) {
	r.over.Lock()
	defer r.over.Unlock()
	if !r.ended {
		r.t.Error(fault)
	}
}

// request makes a request of the admin.
func (r *rig) request(method, path string, body io.Reader) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	return req
}

// do sends a request and reads the whole response.
func (r *rig) do(c *http.Client, req *http.Request) (*http.Response, string) {
	r.t.Helper()
	res, err := c.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatalf("%s %s: read body: %v", req.Method, req.URL, err)
	}
	return res, string(b)
}

// both runs a test over HTTP/1.1 and HTTP/2.
func (r *rig) both(t *testing.T, f func(t *testing.T, c *http.Client)) {
	t.Run("http1", func(t *testing.T) { f(t, r.h1) })
	t.Run("http2", func(t *testing.T) { f(t, r.h2) })
}

// conn is a connection that can be half-closed.
type conn interface {
	net.Conn
	CloseWrite() error
}

// dial opens a raw connection that speaks HTTP/1.1.
func (r *rig) dial() conn {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	c := conn(nc.(*net.TCPConn))
	if r.roots != nil {
		c = tls.Client(nc, &tls.Config{RootCAs: r.roots, ServerName: "127.0.0.1"})
	}
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// abort closes a connection so that the other side sees it break.
func abort(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// raw sends bytes, with $TOKEN replaced, and returns a reader of the answer.
func (r *rig) raw(text string) (conn, *bufio.Reader) {
	r.t.Helper()
	c := r.dial()
	if _, err := io.WriteString(c, strings.ReplaceAll(text, "$TOKEN", r.token)); err != nil {
		r.t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}
