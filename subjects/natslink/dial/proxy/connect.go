package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

// Bounds of what a proxy may send in response to one CONNECT.
const (
	maxHead = 16 << 10 // bytes of a head, with those of interim responses
	// maxBody bounds the body of a response that is read in full to use the
	// connection again, in bytes. Pages of proxies have a few thousand.
	maxBody = 64 << 10
	// maxShown bounds how much of a body is shown, in bytes before it is shortened.
	maxShown = 8 << 10
	// maxInterim bounds the number of interim responses (1xx).
	maxInterim = 4
)

// bodyTime bounds the wait for the body of a response.
const bodyTime = 2 * time.Second

// session is a connection to an http or https proxy, as long as it leads there.
type session struct {
	tunnel  *tunnel
	conn    net.Conn
	limited *io.LimitedReader
	r       *bufio.Reader
}

// answer is a proxy's response to CONNECT.
type answer struct {
	status     int
	challenges []challenge
	offered    string // the challenges' schemes, as they are shown; "" for none
	body       string // its beginning, as it is shown
	// reusable: the proxy takes another request on the connection.
	reusable bool
}

func (a *answer) established() bool { return a.status >= 200 && a.status <= 299 }

// wantsLogin reports whether the proxy accepts no request without a login, or not
// this one: tinyproxy refuses a wrong password with 401.
func (a *answer) wantsLogin() bool {
	return a.status == http.StatusProxyAuthRequired || a.status == http.StatusUnauthorized
}

// text shows the response.
func (a *answer) text() string {
	text := cause.Status(a.status)
	if a.status == http.StatusProxyAuthRequired {
		offered := "offers no scheme"
		if a.offered != "" {
			offered = "offers " + a.offered
		}
		text += " (it " + offered + ")"
	}
	if a.body != "" {
		text += ": " + a.body
	}
	return text
}

func newSession(t *tunnel, conn net.Conn) *session {
	limited := &io.LimitedReader{R: conn}
	return &session{tunnel: t, conn: conn, limited: limited, r: bufio.NewReader(limited)}
}

// close ends a session; none may have begun.
func (s *session) close() {
	if s != nil {
		_ = s.conn.Close()
	}
}

// through returns the connection, which leads to the server now.
func (s *session) through() net.Conn {
	if n := s.r.Buffered(); n > 0 {
		early, _ := s.r.Peek(n)
		return ready(&earlyConn{Conn: s.conn, early: early})
	}
	return ready(s.conn)
}

// connect asks the proxy for a connection to the server. authorization is the
// value of the header, "" for none.
func (s *session) connect(authorization string) (*answer, error) {
	target := s.tunnel.server
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: fairlead\r\nProxy-Connection: Keep-Alive\r\n", target, target)
	if authorization != "" {
		s.tunnel.sent = append(s.tunnel.sent, authorization)
		fmt.Fprintf(&b, "Proxy-Authorization: %s\r\n", authorization)
	}
	b.WriteString("\r\n")
	s.limited.N = maxHead
	if _, err := io.WriteString(s.conn, b.String()); err != nil {
		return nil, s.noAnswer(err)
	}
	resp, err := s.readHead()
	if err != nil {
		return nil, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil && s.tunnel.proxies.OnDate != nil {
		s.tunnel.proxies.OnDate(date)
	}
	a := &answer{status: resp.StatusCode}
	if a.established() {
		return a, nil
	}
	a.challenges = parseChallenges(resp.Header.Values("Proxy-Authenticate"))
	if len(a.challenges) > 0 {
		a.offered = s.tunnel.said([]byte(schemes(a.challenges)))
	}
	s.readBody(resp, a)
	return a, nil
}

// readHead reads the head of the response, after interim ones.
func (s *session) readHead() (*http.Response, error) {
	for range maxInterim + 1 {
		resp, err := http.ReadResponse(s.r, &http.Request{Method: http.MethodConnect})
		if err != nil {
			return nil, s.noAnswer(err)
		}
		if resp.StatusCode >= 200 {
			return resp, nil
		}
	}
	return nil, s.tunnel.failure(cause.NotAProxy, fmt.Sprintf("it sends more than %d interim responses", maxInterim), "")
}

// noAnswer is the failure to get a response.
func (s *session) noAnswer(err error) error {
	if s.limited.N <= 0 {
		return s.tunnel.failure(cause.NotAProxy, fmt.Sprintf("the head of its response is over %d bytes long", maxHead), "")
	}
	f := networkFailure(s.tunnel.tried(), err)
	switch f.Cause {
	case cause.Unknown:
		return s.tunnel.failure(cause.NotAProxy, "its response is not HTTP: "+s.tunnel.said([]byte(classify.Text(err))), "")
	case cause.ConnectionLost:
		f.Got = "it closed the connection without a response to CONNECT"
	default:
		f.Got = "no response to CONNECT: " + f.Got
	}
	return f
}

// readBody reads the body of a response, and notes whether the connection can be
// used again.
func (s *session) readBody(resp *http.Response, a *answer) {
	_ = s.conn.SetReadDeadline(time.Now().Add(bodyTime))
	s.limited.N = maxBody
	body, err := io.ReadAll(resp.Body)
	if text := s.tunnel.said(body[:min(len(body), maxShown)]); text != `""` {
		a.body = text
	}
	a.reusable = err == nil && keepsOpen(resp)
	_ = s.conn.SetReadDeadline(s.tunnel.deadline)
}

// keepsOpen reports whether the other end keeps the connection open after resp.
// Proxies say so in the header Proxy-Connection as well.
func keepsOpen(resp *http.Response) bool {
	said := strings.ToLower(strings.Join(append(resp.Header.Values("Connection"), resp.Header.Values("Proxy-Connection")...), ","))
	switch {
	case resp.ContentLength < 0 && len(resp.TransferEncoding) == 0: // the end of the connection is the end of the body
		return false
	case strings.Contains(said, "close"):
		return false
	}
	return resp.ProtoAtLeast(1, 1) || strings.Contains(said, "keep-alive")
}

// earlyConn first returns what was read ahead.
type earlyConn struct {
	net.Conn
	early []byte
}

// Read implements [net.Conn].
func (c *earlyConn) Read(b []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(b, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}
