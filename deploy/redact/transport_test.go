package redact

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const proxyPassword = "Pa55word-of-proxy"

// hostileProxy answers whatever it is sent with this, in which $SENT stands for the
// password that it got. It returns its URL, with a password.
func hostileProxy(t *testing.T, with string) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, basic, _ := strings.Cut(r.Header.Get("Proxy-Authorization"), " ")
				sent, _ := base64.StdEncoding.DecodeString(basic)
				_, password, _ := strings.Cut(string(sent), ":")
				fmt.Fprint(c, strings.NewReplacer("$SENT", password, "$BASIC", basic, "$BEARER", r.Header.Get("Authorization")).Replace(with))
			}
			c.Close()
		}
	}()
	return &url.URL{Scheme: "http", User: url.UserPassword("bridge", proxyPassword), Host: l.Addr().String()}
}

// TestHostileProxy: a proxy that repeats what it was sent does not get it into an error.
func TestHostileProxy(t *testing.T) {
	for name, tt := range map[string]struct{ target, answer, want string }{
		"reason phrase":       {"https", "HTTP/1.1 407 your password is $SENT\r\n\r\n", "the proxy refuses the connection: status 407 Proxy Authentication Required"},
		"a status of its own": {"https", "HTTP/1.1 999 $BASIC\r\n\r\n", "status 999"},
		"status line":         {"https", "HTTP/1.1 $SENT\r\n\r\n", "malformed HTTP status code"},
		"no status line":      {"https", "you sent $SENT\r\n\r\n", "malformed HTTP"},
		"encoded":             {"https", "HTTP/1.1 x$BASIC\r\n\r\n", "malformed HTTP status code"},
		"header":              {"https", "HTTP/1.1 200 OK\r\n$SENT\r\n\r\n", "malformed MIME header"},
		"without TLS":         {"http", "HTTP/1.1 $SENT\r\n\r\n", "malformed HTTP status code"},
		"bearer":              {"http", "$BEARER\r\n\r\n", "malformed HTTP"},
	} {
		x := NewTransport(&http.Transport{Proxy: http.ProxyURL(hostileProxy(t, tt.answer))})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tt.target+"://service.example/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer token-of-the-bridge")
		response, err := (&http.Client{Transport: x}).Do(r)
		if err == nil {
			response.Body.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "Pa55") || strings.Contains(err.Error(), "UGE1") || strings.Contains(err.Error(), "token-of") {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		x.CloseIdleConnections()
	}
}

// TestProxyURLIsNotShown: a URL that is malformed may have a password all the same.
func TestProxyURLIsNotShown(t *testing.T) {
	x := NewTransport(&http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
		return nil, errors.New("invalid proxy address " + proxyPassword)
	}})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://service.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := x.RoundTrip(r)
	if err == nil {
		response.Body.Close()
	}
	if !errors.Is(err, errProxyURL) {
		t.Error(err)
	}
}

// TestTransportErrorsUnwrap: the cause of an error can be found.
func TestTransportErrorsUnwrap(t *testing.T) {
	proxy := hostileProxy(t, "")
	proxy.Host = "127.0.0.1:1"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://service.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := NewTransport(&http.Transport{Proxy: http.ProxyURL(proxy)}).RoundTrip(r)
	if err == nil {
		response.Body.Close()
	}
	if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "proxyconnect" {
		t.Errorf("%v", err)
	}
}
