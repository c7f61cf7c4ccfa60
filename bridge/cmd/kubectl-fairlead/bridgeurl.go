package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
)

// bridgeURL is the URL of the bridge that the user means, in one spelling.
func (p *plugin) bridgeURL() (string, error) {
	raw := p.bridge
	if raw == "" {
		raw = os.Getenv("FAIRLEAD_BRIDGE")
	}
	if raw == "" {
		settings, err := p.store.Settings()
		if err != nil {
			return "", err
		}
		raw = settings.Current
	}
	if raw == "" {
		return "", errors.New("which bridge? Set --bridge or FAIRLEAD_BRIDGE, or log in: kubectl fairlead login --bridge URL --issuer URL --client-id ID")
	}
	return normalURL(raw)
}

// normalURL returns a URL as the session of a bridge is filed under it: lower case,
// without a default port or a slash at the end.
func normalURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("bridge %q is not a URL such as https://fairlead.example.com", raw)
	}
	if !confidential(u) {
		return "", fmt.Errorf("bridge %q: want https, since an ID token is sent there", raw)
	}
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host + strings.TrimRight(u.EscapedPath(), "/"), nil
}

// confidential reports whether nobody else hears what is sent to a URL: it is https,
// or http on this computer.
func confidential(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip.IsLoopback())
}

// hostOf is what tells a bridge from others in a kubeconfig: its host and path.
func hostOf(bridge string) string {
	_, rest, _ := strings.Cut(bridge, "://")
	return rest
}
