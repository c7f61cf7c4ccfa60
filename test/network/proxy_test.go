//go:build linux

package network

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness"
)

// User and password of the proxies that ask for them. The characters need no escaping in
// a URL.
const (
	proxyUser     = "agent"
	proxyPassword = "s3cret-pass"
)

// proxy is a running forward proxy in the perimeter.
type proxy struct {
	address   string // for agents
	processes []*harness.Process
}

// starter starts a proxy that listens on an address of the perimeter.
type starter func(s *suite, ctx context.Context, name, listen string) ([]*harness.Process, error)

// proxy returns a proxy that tests share, which it starts for the first of them.
func (s *suite) proxy(t *testing.T, name string, start starter) *proxy {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.proxies[name]; p != nil {
		return p
	}
	p := &proxy{address: net.JoinHostPort(perimeterIP, fmt.Sprint(3128+len(s.proxies)))}
	var err error
	// Not the test's context: others use it later.
	if p.processes, err = start(s, context.Background(), name, p.address); err != nil {
		t.Fatal(err)
	}
	s.proxies[name] = p
	return p
}

func one(p *harness.Process, err error) ([]*harness.Process, error) {
	return []*harness.Process{p}, err
}

// squid starts a squid with lines of configuration that say who may use it.
func squid(lines ...string) starter {
	return func(s *suite, ctx context.Context, name, listen string) ([]*harness.Process, error) {
		return one(s.startSquid(ctx, name, listen, "http_port "+listen, lines...))
	}
}

func (s *suite) startSquid(ctx context.Context, name, listen, port string, lines ...string) (*harness.Process, error) {
	dir, err := s.newDir(name)
	if err != nil {
		return nil, err
	}
	if _, err := write(dir, "users", proxyUser+":"+hashed+"\n"); err != nil {
		return nil, err
	}
	config, err := write(dir, "squid.conf", strings.NewReplacer("DIR", dir).Replace(port+"\n"+strings.Join(lines, "\n")+`
pid_filename none
cache_log DIR/cache.log
access_log stdio:DIR/access.log
coredump_dir DIR
cache deny all
cache_mem 8 MB
pinger_enable off
netdb_filename none
shutdown_lifetime 0 seconds
max_filedescriptors 4096
visible_hostname proxy.corp.example
`))
	if err != nil {
		return nil, err
	}
	return s.run(ctx, program{
		name: name, dir: dir, space: s.perimeter, path: "squid", user: "proxy", listen: listen,
		args: []string{"-N", "-n", strings.ReplaceAll(name, "-", ""), "-f", config},
	})
}

// Who may use squid.
var (
	anybody   = []string{"http_access allow all"}
	withBasic = []string{
		"auth_param basic program /usr/lib/squid/basic_ncsa_auth DIR/users", "auth_param basic realm corp",
		"acl known proxy_auth REQUIRED", "http_access allow known", "http_access deny all",
	}
)

// hashed is proxyPassword as htpasswd writes it.
const hashed = "$apr1$abcdefgh$3S6yoygJp64OmrXuqD6OP."

// tinyproxy starts a tinyproxy that asks for user and password.
func tinyproxy(s *suite, ctx context.Context, name, listen string) ([]*harness.Process, error) {
	dir, err := s.newDir(name)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, err
	}
	config, err := write(dir, "tinyproxy.conf", fmt.Sprintf(
		"Listen %s\nPort %s\nTimeout 600\nMaxClients 100\nLogFile %q\nLogLevel Connect\nBasicAuth %s %s\n",
		host, port, dir+"/tiny.log", proxyUser, proxyPassword))
	if err != nil {
		return nil, err
	}
	return one(s.run(ctx, program{name: name, dir: dir, space: s.perimeter, path: "tinyproxy", args: []string{"-d", "-c", config}, listen: listen}))
}
