package natslink

import (
	"errors"
	"fmt"
	"net"
	"net/url"
)

// CheckServer parses a broker's URL and refuses one that cannot work or would
// send requests and credentials in the clear: with nats:// and ws:// the server
// decides about TLS, whoever it is, so they are only for loopback. Errors show
// no secret.
func CheckServer(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("not a URL such as tls://broker.example:4222") // err quotes it
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("%q is not a URL such as tls://broker.example:4222", ShownServer(u))
	}
	switch u.Scheme {
	case "tls", "wss":
	case "nats", "ws":
		if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, fmt.Errorf("%s:// is only allowed on loopback: use tls:// or wss://", u.Scheme)
		}
	default:
		return nil, fmt.Errorf("scheme %q: use tls:// or wss://", u.Scheme)
	}
	if u.User != nil {
		return nil, errors.New("the URL has a user: credentials do not belong there")
	}
	return u, nil
}

// ShownServer is a broker's URL for logs and errors, without a password and
// without a query, which may hold a proxy's token.
func ShownServer(u *url.URL) string {
	v := *u
	if v.RawQuery != "" {
		v.RawQuery = "xxxxx"
	}
	return v.Redacted()
}
