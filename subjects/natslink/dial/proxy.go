package dial

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// ProxyFunc names the proxy through which a server is reached, nil for none.
type ProxyFunc func(server *url.URL) (*url.URL, error)

// ProxyFromEnvironment reads HTTPS_PROXY (for tls:// and wss://) and NO_PROXY,
// in lower case or, if that is not set, in upper case, as curl does. Servers on
// the same machine are reached directly, so that HTTP_PROXY is never needed. A
// proxy that cannot be used is an error, whereas net/http would silently do
// without it.
func ProxyFromEnvironment() (ProxyFunc, error) {
	config := httpproxy.FromEnvironment()
	config.CGI = false // its restriction is for children of web servers
	if err := checkProxy(config.HTTPSProxy); err != nil {
		return nil, fmt.Errorf("HTTPS_PROXY: %w", err)
	}
	choose := config.ProxyFunc()
	return func(server *url.URL) (*url.URL, error) {
		as := &url.URL{Scheme: "https", Host: Address(server)}
		if server.Scheme == "ws" || server.Scheme == "nats" {
			as.Scheme = "http"
		}
		return choose(as)
	}, nil
}

// checkProxy says what is wrong with a proxy's URL without showing it: it may
// hold a password.
func checkProxy(value string) error {
	if value == "" {
		return nil
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" {
		return errors.New("not the URL of a proxy, such as http://proxy.example:3128")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("a proxy of type %q: only http and https are supported", u.Scheme)
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return errors.New("the proxy's port is not a number between 1 and 65535")
		}
	}
	return nil
}

// name is how a proxy is shown: without user and password.
func name(proxy *url.URL) string { return "proxy " + proxy.Scheme + "://" + proxy.Host }

// Bounds of what a proxy may send.
const (
	maxProxyHead = 16 << 10 // bytes of a head
	maxProxyBody = 512      // bytes of the body of a refusal
)

// throughProxy asks a proxy for a connection to the server.
func (d *Dialer) throughProxy(ctx context.Context, proxy *url.URL) (through net.Conn, err error) {
	began := time.Now()
	defer func() { d.trace(began, Step{Hop: cause.Proxy, Target: Address(d.Server), Err: err}) }()
	conn, err := d.dialTCP(ctx, Address(proxy))
	if err != nil {
		// Without the cause, here and below: the broker's name and certificate
		// are not at fault.
		return nil, fmt.Errorf("%s: %s", name(proxy), err)
	}
	if proxy.Scheme == "https" {
		config := &tls.Config{MinVersion: tls.VersionTLS12}
		if d.ProxyTLS != nil {
			config = d.ProxyTLS.Clone()
		}
		config.NextProtos = []string{"http/1.1"}
		if config.ServerName == "" {
			config.ServerName = proxy.Hostname()
		}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%s: TLS: %s", name(proxy), err)
		}
		conn = secure
	}
	_ = conn.SetDeadline(d.deadline)
	through, err = d.connectThrough(conn, proxy)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return through, nil
}

// connectThrough makes conn, which leads to the proxy, lead to the server.
func (d *Dialer) connectThrough(conn net.Conn, proxy *url.URL) (net.Conn, error) {
	target := Address(d.Server)
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: fairlead-agent\r\n", target, target)
	if proxy.User != nil {
		password, _ := proxy.User.Password()
		fmt.Fprintf(&b, "Proxy-Authorization: Basic %s\r\n",
			base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password)))
	}
	b.WriteString("\r\n")
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return nil, fmt.Errorf("%s: send CONNECT: %w", name(proxy), err)
	}
	limited := &io.LimitedReader{R: conn, N: maxProxyHead}
	r := bufio.NewReader(limited)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		if limited.N <= 0 {
			err = fmt.Errorf("its head is over %d bytes long", maxProxyHead)
		}
		return nil, fmt.Errorf("%s: response to CONNECT: %w", name(proxy), err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, d.refused(conn, r, limited, resp, proxy)
	}
	if n := r.Buffered(); n > 0 {
		early, _ := r.Peek(n)
		return &earlyConn{Conn: conn, early: early}, nil
	}
	return conn, nil
}

// refused returns the proxy's refusal as an error.
func (d *Dialer) refused(conn net.Conn, r *bufio.Reader, limited *io.LimitedReader, resp *http.Response, proxy *url.URL) error {
	text := fmt.Sprintf("%s refused CONNECT: %s", name(proxy), statusOf(resp))
	if resp.StatusCode == http.StatusProxyAuthRequired {
		var schemes []string
		for _, challenge := range resp.Header.Values("Proxy-Authenticate") {
			scheme, _, _ := strings.Cut(challenge, " ")
			schemes = append(schemes, scheme)
		}
		switch {
		case len(schemes) > 0 && !strings.Contains(strings.ToLower(strings.Join(schemes, " ")), "basic"):
			text += fmt.Sprintf(" (it asks for %s; the agent supports only Basic)", said([]byte(strings.Join(schemes, ", "))))
		case proxy.User == nil:
			text += " (no user and password in the proxy's URL)"
		default:
			text += " (it does not accept the user and password in its URL)"
		}
	}
	limited.N = maxProxyBody
	return errors.New(text + body(conn, r))
}

// bodyTime bounds the wait for the body of a refusal.
const bodyTime = time.Second

// body returns the beginning of a refusal's body, for people.
func body(conn net.Conn, r io.Reader) string {
	_ = conn.SetReadDeadline(time.Now().Add(bodyTime))
	b := make([]byte, maxProxyBody)
	n, _ := io.ReadFull(r, b)
	if text := said(b[:n]); text != `""` {
		return ": " + text
	}
	return ""
}

// statusOf shows a status as HTTP names it, since the reason phrase may be
// anything.
func statusOf(resp *http.Response) string {
	if text := http.StatusText(resp.StatusCode); text != "" {
		return fmt.Sprintf("%d %s", resp.StatusCode, text)
	}
	return strconv.Itoa(resp.StatusCode)
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
