package dial

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Bounds of a WebSocket handshake.
const (
	maxRequestHead  = 8 << 10  // bytes; nats.go's has 200 and the path
	maxResponseHead = 16 << 10 // bytes
)

// webSocketConn performs the handshake that nats.go writes: it sends the request,
// checks the response, and gives it to nats.go only if it is a 101. After that,
// everything passes unchanged.
type webSocketConn struct {
	net.Conn
	dialer *Dialer
	// The handshake ends before the connection has its own goroutines. The fields
	// below are used only during it, and by the goroutine that reads.
	request  []byte // as far as nats.go has written it
	shaken   bool
	response []byte // of the server, not yet read by nats.go
}

// Read implements [net.Conn].
func (c *webSocketConn) Read(b []byte) (int, error) {
	if len(c.response) > 0 {
		n := copy(b, c.response)
		if c.response = c.response[n:]; len(c.response) == 0 {
			c.response = nil
		}
		return n, nil
	}
	return c.Conn.Read(b)
}

// Write implements [net.Conn].
func (c *webSocketConn) Write(b []byte) (int, error) {
	if c.shaken {
		return c.Conn.Write(b)
	}
	if len(c.request)+len(b) > maxRequestHead {
		return 0, c.dialer.failed(errors.New("the WebSocket request is too long"))
	}
	c.request = append(c.request, b...)
	if !bytes.HasSuffix(c.request, []byte("\r\n\r\n")) {
		return len(b), nil
	}
	c.shaken = true
	if err := c.handshake(); err != nil {
		_ = c.Conn.Close()
		return 0, c.dialer.failed(err)
	}
	c.request = nil
	return len(b), nil
}

// handshake sends the request. If the path is refused, its other form, with or
// without a trailing slash, is tried, since proxies distinguish the two.
func (c *webSocketConn) handshake() error {
	_, after, ok := bytes.Cut(c.request, []byte("\r\n"))
	if !ok {
		return errors.New("no WebSocket request")
	}
	path := c.dialer.Server.EscapedPath()
	refusal, err := c.exchange(path, after)
	if err != nil || refusal == nil {
		return err
	}
	other, ok := refusal.otherForm(path)
	if !ok {
		return refusal
	}
	_ = c.Conn.Close()
	conn, err := c.dialer.open()
	if err != nil {
		return err
	}
	c.Conn = conn
	if again, err := c.exchange(other, after); err != nil || again != nil {
		return refusal // of the path that was configured
	}
	return nil
}

// exchange requests path. A response other than 101 is a refusal.
func (c *webSocketConn) exchange(path string, header []byte) (refusal *Refusal, err error) {
	_ = c.Conn.SetDeadline(c.dialer.deadline)
	defer func() { _ = c.Conn.SetDeadline(time.Time{}) }()
	began, date := time.Now(), time.Time{}
	defer func() {
		step := Step{Hop: cause.HTTPUpgrade, Target: path, Date: date, Err: err}
		if refusal != nil {
			step.Err = refusal
		}
		c.dialer.trace(began, step)
	}()
	target := path
	if target == "" {
		target = "/"
	}
	if q := c.dialer.Server.RawQuery; q != "" {
		target += "?" + q
	}
	request := append([]byte("GET "+target+" HTTP/1.1\r\n"), header...)
	if _, err := c.Conn.Write(request); err != nil {
		return nil, fmt.Errorf("WebSocket handshake: %w", err)
	}
	var seen bytes.Buffer
	limited := &io.LimitedReader{R: c.Conn, N: maxResponseHead}
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(limited, &seen)), &http.Request{Method: http.MethodGet})
	switch {
	case err == nil:
	case limited.N <= 0:
		return nil, fmt.Errorf("WebSocket handshake: the head of the response is over %d bytes long", maxResponseHead)
	case bytes.HasPrefix(seen.Bytes(), []byte(greeting)):
		return nil, errors.New("the server there is a NATS server's TCP port, not a WebSocket")
	case seen.Len() > 0 && !bytes.HasPrefix(seen.Bytes(), []byte("HTTP/")):
		return nil, fmt.Errorf("the server there does not speak HTTP: it answers %s", said(seen.Bytes()))
	default:
		return nil, fmt.Errorf("WebSocket handshake: no response: %w", err)
	}
	date = dateOf(resp.Header)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		c.response = seen.Bytes()
		return nil, nil
	}
	r := &Refusal{
		Status: resp.StatusCode, RetryAfter: resp.Header.Get("Retry-After"),
		RateLimitReset: resp.Header.Get("RateLimit-ResetTime"), Date: resp.Header.Get("Date"),
		text: statusOf(resp), location: resp.Header.Get("Location"),
	}
	limited.N = maxProxyBody
	r.said = body(c.Conn, resp.Body)
	return r, nil
}

// Refusal is a response to a WebSocket handshake that is not 101.
type Refusal struct {
	// Status is the HTTP status code.
	Status int
	// RetryAfter, RateLimitReset and Date are the headers of these names
	// (RateLimit-ResetTime), "" if absent. The other end can put anything into them.
	RetryAfter, RateLimitReset, Date string

	text     string // the status as HTTP names it
	location string
	said     string // with ": " before it, or ""
}

// Error says what the response was, and what it usually means.
func (r *Refusal) Error() string {
	text := "the WebSocket handshake was answered with " + r.text + ", not 101"
	if r.location != "" {
		text += ", Location " + said([]byte(withoutQuery(r.location)))
	}
	if r.RetryAfter != "" {
		text += ", Retry-After " + said([]byte(r.RetryAfter))
	}
	if hint := hints[r.Status]; hint != "" {
		text += " (" + hint + ")"
	}
	return text + r.said
}

var hints = map[int]string{
	http.StatusOK:                 "a web server is there, wrong path or host?",
	http.StatusBadRequest:         "a proxy there does not pass the upgrade on?",
	http.StatusUnauthorized:       "a proxy there asks for a login of its own",
	http.StatusForbidden:          "a proxy there forbids it",
	http.StatusNotFound:           "wrong path?",
	http.StatusMethodNotAllowed:   "wrong path?",
	http.StatusUpgradeRequired:    "a proxy there does not pass the upgrade on",
	http.StatusTooManyRequests:    "a rate limit there",
	http.StatusBadGateway:         "a proxy there does not reach the broker",
	http.StatusServiceUnavailable: "a proxy there does not reach the broker",
	http.StatusGatewayTimeout:     "a proxy there does not reach the broker",
}

// withoutQuery removes what could be a token.
func withoutQuery(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "(unreadable)"
	}
	u.RawQuery, u.ForceQuery, u.Fragment, u.User = "", false, "", nil
	return u.String()
}

// otherForm returns the path to try instead of the one that was refused, if the
// response is a redirect to it or a 404.
func (r *Refusal) otherForm(path string) (string, bool) {
	other, cut := strings.CutSuffix(path, "/")
	if !cut {
		other = path + "/"
	}
	if strings.Trim(path, "/") == "" {
		return "", false
	}
	switch r.Status {
	case http.StatusNotFound:
		return other, true
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		// Behind further proxies scheme and host are often wrong. They do not
		// matter, since the same server is asked again.
		to, err := url.Parse(r.location)
		return other, err == nil && to.EscapedPath() == other
	}
	return "", false
}
