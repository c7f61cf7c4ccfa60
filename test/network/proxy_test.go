//go:build linux

package network

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
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
		return one(s.startSquid(ctx, name, listen, "http_port "+listen, lines))
	}
}

// startSquid starts a squid with a line for its port, lines that say who may use it, and
// more variables of the environment.
func (s *suite) startSquid(ctx context.Context, name, listen, port string, lines []string, env ...string) (*harness.Process, error) {
	dir, err := s.newDir(name)
	if err != nil {
		return nil, err
	}
	if _, err := write(dir, "users", proxyUser+":"+hashed+"\n"); err != nil {
		return nil, err
	}
	if _, err := write(dir, "digest", fmt.Sprintf("%s:corp:%x\n", proxyUser, md5.Sum([]byte(proxyUser+":corp:"+proxyPassword)))); err != nil {
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
		name: name, dir: dir, space: s.perimeter, path: "squid", user: "proxy", listen: listen, env: env,
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
	withDigest = []string{
		"auth_param digest program /usr/lib/squid/digest_file_auth -c DIR/digest", "auth_param digest realm corp",
		"acl known proxy_auth REQUIRED", "http_access allow known", "http_access deny all",
	}
	// The helper is a test of the protocol: it takes any user and password.
	withNTLM = []string{
		"auth_param ntlm program /usr/lib/squid/ntlm_fake_auth", "auth_param ntlm children 5",
		"acl known proxy_auth REQUIRED", "http_access allow known", "http_access deny all",
	}
)

// microsocks starts a SOCKS server, with login if it is not "".
func microsocks(args ...string) starter {
	return func(s *suite, ctx context.Context, name, listen string) ([]*harness.Process, error) {
		host, port, err := net.SplitHostPort(listen)
		if err != nil {
			return nil, err
		}
		return one(s.run(ctx, program{
			name: name, dir: s.programs, space: s.perimeter, path: "microsocks", listen: listen,
			args: append([]string{"-i", host, "-p", port}, args...),
		}))
	}
}

// dante starts another SOCKS server. Its own login is that of the machine's users, so it
// has none here.
func dante(s *suite, ctx context.Context, name, listen string) ([]*harness.Process, error) {
	dir, err := s.newDir(name)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, err
	}
	config, err := write(dir, "danted.conf", fmt.Sprintf(`logoutput: %s
internal: %s port = %s
external: %s
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
`, filepath.Join(dir, "dante.log"), host, port, exitIP))
	if err != nil {
		return nil, err
	}
	return one(s.run(ctx, program{
		name: name, dir: dir, space: s.perimeter, path: "danted", listen: listen,
		args: []string{"-f", config, "-p", filepath.Join(dir, "pid")},
	}))
}

// cntlm starts a cntlm in front of a squid that wants NTLM.
func cntlm(s *suite, ctx context.Context, name, listen string) ([]*harness.Process, error) {
	const parent = "127.0.0.1:3999" // in the perimeter
	behind, err := s.startSquid(ctx, name+"-squid", parent, "http_port "+parent, withNTLM)
	if err != nil {
		return nil, err
	}
	dir, err := s.newDir(name)
	if err != nil {
		return []*harness.Process{behind}, err
	}
	config, err := write(dir, "cntlm.conf", fmt.Sprintf("Username %s\nDomain CORP\nPassword %s\nAuth NTLM\nProxy %s\nListen %s\n",
		proxyUser, proxyPassword, parent, listen))
	if err != nil {
		return []*harness.Process{behind}, err
	}
	front, err := s.run(ctx, program{name: name, dir: dir, space: s.perimeter, path: "cntlm", args: []string{"-f", "-v", "-c", config}, listen: listen})
	if err != nil {
		return nil, errors.Join(err, behind.Kill())
	}
	return []*harness.Process{front, behind}, nil
}

// squidTLS starts a squid that is reached by TLS.
func squidTLS(s *suite, ctx context.Context, name, listen string) ([]*harness.Process, error) {
	dir, err := s.newDir(name + "-certificate")
	if err != nil {
		return nil, err
	}
	cert, key, err := s.certify(dir, s.ca, nil)
	if err != nil {
		return nil, err
	}
	return one(s.startSquid(ctx, name, listen, fmt.Sprintf("https_port %s tls-cert=%s tls-key=%s", listen, cert, key), anybody))
}

// squidBump starts a squid that breaks up TLS, with a CA of its own.
func squidBump(s *suite, ctx context.Context, name, listen string) ([]*harness.Process, error) {
	dir, err := s.newDir(name + "-ca")
	if err != nil {
		return nil, err
	}
	key, cert, db := filepath.Join(dir, "ca.key"), filepath.Join(dir, "ca.crt"), filepath.Join(dir, "db")
	for _, command := range [][]string{
		{"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/O=Corp/CN=Squid inspection CA", "-keyout", key, "-out", cert},
		{"chmod", "a+r", key},
		{"setpriv", "--reuid", "proxy", "--regid", "proxy", "--clear-groups", "/usr/lib/squid/security_file_certgen", "-c", "-s", db, "-M", "4MB"},
	} {
		if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", command[0], err, out)
		}
	}
	port := fmt.Sprintf("http_port %s ssl-bump generate-host-certificates=on tls-cert=%s tls-key=%s", listen, cert, key)
	return one(s.startSquid(ctx, name, listen, port, append(slices.Clone(anybody),
		"sslcrtd_program /usr/lib/squid/security_file_certgen -s "+db+" -M 4MB", "sslcrtd_children 1",
		"sslproxy_cert_error allow all", "ssl_bump bump all")))
}

// dnsmasq starts a DNS server that answers that no name exists, at port 53.
func dnsmasq(s *suite, ctx context.Context, name, _ string) ([]*harness.Process, error) {
	return one(s.run(ctx, program{
		name: name, dir: s.programs, space: s.perimeter, path: "dnsmasq", listen: net.JoinHostPort(perimeterIP, "53"),
		args: []string{"--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file", "--no-resolv", "--no-hosts",
			"--listen-address=" + perimeterIP, "--bind-interfaces", "--local=/#/", "--log-facility=-"},
	}))
}

// hashed is proxyPassword as htpasswd writes it.
const hashed = "$apr1$abcdefgh$3S6yoygJp64OmrXuqD6OP."

// tinyproxy starts a tinyproxy that asks for user and password, and cuts a connection
// that is idle for so many seconds.
func tinyproxy(idle int) starter {
	return func(s *suite, ctx context.Context, name, listen string) ([]*harness.Process, error) {
		return one(s.startTinyproxy(ctx, name, listen, idle))
	}
}

func (s *suite) startTinyproxy(ctx context.Context, name, listen string, idle int) (*harness.Process, error) {
	dir, err := s.newDir(name)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, err
	}
	config, err := write(dir, "tinyproxy.conf", fmt.Sprintf(
		"Listen %s\nPort %s\nTimeout %d\nMaxClients 100\nLogFile %q\nLogLevel Connect\nBasicAuth %s %s\n",
		host, port, idle, dir+"/tiny.log", proxyUser, proxyPassword))
	if err != nil {
		return nil, err
	}
	return s.run(ctx, program{name: name, dir: dir, space: s.perimeter, path: "tinyproxy", args: []string{"-d", "-c", config}, listen: listen})
}
