//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/network/netns"
)

// startsWithin bounds the start of a program that is not of Fairlead.
const startsWithin = 30 * time.Second

// program is one that is not of Fairlead. It stays in the foreground and ends when we do.
type program struct {
	name   string
	dir    string       // for its files
	space  *netns.Space // nil for the outside
	path   string
	args   []string
	listen string   // an address that it listens on
	user   string   // "" for root
	env    []string // more variables of the environment
}

// newDir makes a folder for the files of a program, which belongs to user.
func (s *suite) newDir(name string) (string, error) {
	dir, err := os.MkdirTemp(s.programs, name+"-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o777) // some run as a user without rights
}

// write writes a file of a program and returns its path.
func write(dir, name, content string) (string, error) {
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(content), 0o644)
}

// run starts a program and waits until it listens.
func (s *suite) run(ctx context.Context, p program) (*harness.Process, error) {
	spec := harness.Spec{Name: p.name, Path: p.path, Args: p.args, Log: filepath.Join(s.Dir, "logs", p.name+".log"), Dir: p.dir}
	if p.env != nil { // for the program alone, and not for what starts it
		spec.Path, spec.Args = "env", slices.Concat(p.env, []string{p.path}, p.args)
	}
	if p.user != "" {
		// setpriv asks for the signal again, which the change of the user takes away.
		spec.Args = append([]string{"--reuid", p.user, "--regid", p.user, "--clear-groups", "--pdeathsig", "KILL", spec.Path}, spec.Args...)
		spec.Path = "setpriv"
	}
	dial := new(net.Dialer).DialContext
	if p.space != nil {
		spec, dial = p.space.Spec(spec), p.space.Dial
	}
	process, err := harness.Start(spec)
	if err != nil {
		return nil, err
	}
	err = harness.Until(ctx, p.name+" to listen on "+p.listen, startsWithin, process, func(ctx context.Context) error {
		conn, err := dial(ctx, "tcp", p.listen)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	if err != nil {
		logs, _ := filepath.Glob(filepath.Join(p.dir, "*.log")) // its only error is a bad pattern
		for _, log := range logs {
			err = fmt.Errorf("%w\n%s:\n%s", err, log, harness.Tail(log, 15))
		}
		return nil, errors.Join(err, process.Kill())
	}
	return process, nil
}

// nginxHead begins every configuration of nginx; DIR is its folder.
const nginxHead = `
daemon off;
master_process off; # one process, which dies with us
user root;
pid DIR/pid;
error_log DIR/error.log info;
events { worker_connections 512; }
http {
	access_log DIR/access.log;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
`

// startNginx starts an nginx outside, whose certificate is of the suite's CA.
func (s *suite) startNginx(ctx context.Context, name, listen, locations string) (*harness.Process, error) {
	dir, err := s.newDir(name)
	if err != nil {
		return nil, err
	}
	cert, key, err := s.certify(dir, s.ca, nil)
	if err != nil {
		return nil, err
	}
	server := fmt.Sprintf("listen %s ssl so_keepalive=on;\nserver_name %s;\nssl_certificate %s;\nssl_certificate_key %s;\nproxy_ssl_trusted_certificate %s;\n%s",
		listen, webName, cert, key, s.system.CAFile(), locations)
	p := program{name: name, dir: dir, listen: listen}
	text := strings.NewReplacer("DIR", p.dir, "SERVER", server).Replace(nginxHead + `	include fairlead/upgrade-map.conf;
	include fairlead/limit-zone.conf;
	server {
		include fairlead/server.conf;
		SERVER
	}
}
`)
	if err := os.Symlink(filepath.Join(s.Root, "deploy", "nginx"), filepath.Join(p.dir, "fairlead")); err != nil {
		return nil, err
	}
	config, err := write(p.dir, "nginx.conf", text)
	if err != nil {
		return nil, err
	}
	p.path, p.args = "nginx", []string{"-p", p.dir, "-c", config}
	return s.run(ctx, p)
}

// brokerLocations are those of the broker's WebSocket: at subPath with the configuration
// that is shipped, and at idlePath with time-outs of a minute.
func brokerLocations(broker string) string {
	return fmt.Sprintf(`location ~ ^%s?$ {
	include fairlead/broker.conf;
	proxy_ssl_name %s;
	proxy_pass https://%s;
}
location = %s {
	proxy_http_version 1.1;
	proxy_set_header Upgrade $http_upgrade;
	proxy_set_header Connection $fairlead_connection;
	proxy_read_timeout %[5]ds;
	proxy_send_timeout %[5]ds;
	proxy_pass https://%[3]s/;
}
`, subPath, brokerName, broker, idlePath, idleLimit)
}
