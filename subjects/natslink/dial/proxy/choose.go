package proxy

import (
	"cmp"
	"net"
	"net/url"
	"os"
	"strings"
	"unicode"

	"golang.org/x/net/http/httpproxy"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Chooser names the proxy through which a server is reached, nil for none. The
// scheme of the server is tls, wss, nats or ws.
type Chooser func(server *url.URL) (*url.URL, error)

// FromEnvironment reads HTTPS_PROXY (for tls:// and wss://), HTTP_PROXY (for
// nats:// and ws://), ALL_PROXY (where the other is not set) and NO_PROXY, each
// in lower case or, if that is not set, in upper case. Servers on the same
// machine are reached directly. A value that cannot be used is an error for the
// servers that it applies to, whereas net/http would silently do without it.
func FromEnvironment() Chooser {
	env := httpproxy.FromEnvironment()
	all := variable{"ALL_PROXY", cmp.Or(os.Getenv("all_proxy"), os.Getenv("ALL_PROXY"))}
	secure, plain := variable{"HTTPS_PROXY", env.HTTPSProxy}, variable{"HTTP_PROXY", env.HTTPProxy}
	// It judges NO_PROXY only: a proxy's URL that it cannot read it leaves out.
	rules := (&httpproxy.Config{HTTPSProxy: "http://proxy", NoProxy: commas(env.NoProxy)}).ProxyFunc()
	return func(server *url.URL) (*url.URL, error) {
		v := secure
		if server.Scheme == "ws" || server.Scheme == "nats" {
			v = plain
		}
		if v.value == "" {
			v = all
		}
		if v.value == "" {
			return nil, nil
		}
		if through, err := rules(&url.URL{Scheme: "https", Host: address(server)}); err != nil || through == nil {
			return nil, err
		}
		return v.proxy()
	}
}

// commas permits white space in NO_PROXY, as curl does.
func commas(list string) string {
	return strings.Join(strings.FieldsFunc(list, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }), ",")
}

// variable is one of the environment.
type variable struct{ name, value string }

// proxy reads the value without showing it in an error: it may hold a password.
func (v variable) proxy() (*url.URL, error) {
	u, fault := parse(v.value)
	if fault == "" {
		return u, nil
	}
	return nil, &cause.Failure{Hop: cause.Proxy, Cause: cause.ProxyConfig, Tried: "read " + v.name, Got: fault}
}

// notURL says how a proxy's URL is written.
const notURL = "it is not the URL of a proxy, such as http://proxy.example:3128 (special characters in user and password " +
	"are written as %40 for @, %3A for :, %5C for \\, %23 for #, %2F for /, %3F for ?)"

// parse returns a proxy's URL, or what is wrong with it. A path, query or fragment
// is refused: it is most often the rest of a password whose special characters are
// not escaped, and its beginning would be taken for the proxy's host and port.
func parse(value string) (u *url.URL, fault string) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "" || u.Path != "" && u.Path != "/" || strings.ContainsAny(value, "?#"):
		return nil, notURL
	case defaultPorts[u.Scheme] == "":
		return nil, "it names a proxy of type " + cause.Said([]byte(u.Scheme)) + ": only http, https, socks5 and socks5h are supported"
	case u.Port() != "" && !validPort(u.Port()):
		return nil, "the proxy's port is not a number between 1 and 65535"
	}
	return u, ""
}

func validPort(port string) bool {
	n, err := net.LookupPort("tcp", port)
	return err == nil && n > 0
}

// defaultPorts are those of proxies and, for NO_PROXY, of servers.
var defaultPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

var serverPorts = map[string]string{"wss": "443", "ws": "80"}

// address is the host and port of a proxy or server.
func address(u *url.URL) string {
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), defaultPorts[u.Scheme], serverPorts[u.Scheme], "4222"))
}

// Name is how a proxy is shown: without user and password.
func Name(proxy *url.URL) string { return proxy.Scheme + "://" + proxy.Host }
