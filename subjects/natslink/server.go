package natslink

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// ErrInTheClear is for a URL that would send in the clear to another machine.
var ErrInTheClear = errors.New("only allowed on loopback: use tls:// or wss://")

// CheckServer parses a broker's URL. It refuses a URL that cannot work, or that could
// send requests and credentials in the clear: with nats:// and ws:// any server that
// answers decides whether TLS is used, so these are only for loopback. Errors show no
// secret.
func CheckServer(s string) (*url.URL, error) {
	u, err := ParseServer(s)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(u.Hostname()); InTheClear(u) && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%s:// is %w", u.Scheme, ErrInTheClear)
	}
	return u, nil
}

// InTheClear reports whether a server's URL leaves it to the server whether TLS is used.
func InTheClear(u *url.URL) bool { return u.Scheme == "nats" || u.Scheme == "ws" }

// ParseServer is [CheckServer] for those who accept that it sends in the clear.
func ParseServer(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("not a URL such as tls://broker.example:4222") // err quotes it
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("%q is not a URL such as tls://broker.example:4222", ShownServer(u))
	}
	if strings.Contains(u.Host, ",") {
		return nil, errors.New("several URLs in one: give each as an item of the list, or the flag once for each")
	}
	switch u.Scheme {
	case "tls", "wss", "nats", "ws":
	default:
		return nil, fmt.Errorf("scheme %q: use tls:// or wss://", u.Scheme)
	}
	if u.User != nil {
		return nil, errors.New("the URL has a user: credentials do not belong there")
	}
	return u, nil
}

// ShownServer returns a broker's URL for logs and errors: without its password, and
// without its query, which may hold the token of a proxy.
func ShownServer(u *url.URL) string {
	v := *u
	if v.RawQuery != "" {
		v.RawQuery = "xxxxx"
	}
	return v.Redacted()
}
