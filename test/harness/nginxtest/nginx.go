package nginxtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// startWithin bounds how long nginx takes to listen. It needs milliseconds.
const startWithin = 10 * time.Second

// Server is a running nginx. Its methods may be called until the test ends.
type Server struct {
	Address string // host:port

	t   testing.TB
	dir string
	cmd *exec.Cmd
}

// Options say how nginx is run.
type Options struct {
	// HTTP is the http block's content. "{address}" in it is replaced by the address
	// to listen on; relative names of files are below nginx's own folder, where the
	// snippets are in fairlead.
	HTTP string
	// Files are written to that folder, by their names.
	Files map[string][]byte
	// Address replaces an address of its own choice.
	Address string
}

// main is what stands around an http block. One worker, so that its memory is
// nginx's.
const main = `daemon off;
worker_processes 1;
pid %[1]s/pid;
error_log %[1]s/error.log info;
%[3]s
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[1]s/temp-body; proxy_temp_path %[1]s/temp-proxy;
  fastcgi_temp_path %[1]s/temp-1; uwsgi_temp_path %[1]s/temp-2; scgi_temp_path %[1]s/temp-3;
%[2]s
}
`

// Start runs nginx until the test ends. It returns as soon as nginx listens.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		if os.Getenv("FAIRLEAD_E2E") == "require" {
			t.Fatal("nginx is not installed (Debian: apt-get install nginx-light)")
		}
		t.Skip("nginx is not installed (Debian: apt-get install nginx-light)")
	}
	if o.Address == "" {
		if o.Address, err = freeport.Address(); err != nil {
			t.Fatal(err)
		}
	}
	s := &Server{Address: o.Address, t: t, dir: t.TempDir()}
	s.write(o)
	args := []string{"-p", s.dir, "-c", filepath.Join(s.dir, "nginx.conf"), "-e", s.errorLog()}
	if out, err := exec.Command(path, append(args, "-t")...).CombinedOutput(); err != nil {
		t.Fatalf("nginx: %v: %s", err, out)
	}
	s.cmd = exec.Command(path, args...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	err = harness.Until(t.Context(), "nginx to listen", startWithin, nil, func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", s.Address)
		if err == nil {
			_ = c.Close() // it was only to see whether nginx listens
		}
		return err
	})
	if err != nil {
		t.Fatalf("%v: %s", err, s.Log())
	}
	return s
}

// write writes nginx's folder.
func (s *Server) write(o Options) {
	s.t.Helper()
	root, err := harness.Root()
	if err != nil {
		s.t.Fatal(err)
	}
	user := ""
	if os.Getuid() == 0 { // else nginx would become another user, who cannot write here
		user = "user root;"
	}
	text := strings.ReplaceAll(o.HTTP, "{address}", s.Address)
	files := map[string][]byte{"nginx.conf": fmt.Appendf(nil, main, s.dir, text, user)}
	snippets, err := filepath.Glob(filepath.Join(root, "deploy", "nginx", "*.conf"))
	if err != nil || len(snippets) < 5 {
		s.t.Fatalf("deploy/nginx: %d snippets, %v", len(snippets), err)
	}
	for _, from := range snippets {
		if files["fairlead/"+filepath.Base(from)], err = os.ReadFile(from); err != nil {
			s.t.Fatal(err)
		}
	}
	for name, content := range o.Files {
		files[name] = content
	}
	for name, content := range files {
		path := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *Server) errorLog() string { return filepath.Join(s.dir, "error.log") }

// Log is what nginx has written to its error log, from level info on.
func (s *Server) Log() string {
	b, err := os.ReadFile(s.errorLog())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Buffered reports whether nginx has written a body to a file.
func (s *Server) Buffered() bool { return strings.Contains(s.Log(), "buffered to a temporary file") }

// Memory is the largest resident memory that the worker has had, in bytes. Linux only.
func (s *Server) Memory() (int64, error) {
	pid := s.cmd.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, fmt.Errorf("nginx: %w", err)
	}
	worker := strings.TrimSpace(string(children))
	status, err := os.ReadFile("/proc/" + worker + "/status")
	if err != nil {
		return 0, fmt.Errorf("nginx: worker %q: %w", worker, err)
	}
	var kb int64
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		return 0, fmt.Errorf("nginx: worker %q: %w", worker, err)
	}
	return kb << 10, nil
}

// stop ends nginx at once: its workers would wait for connections of a day.
func (s *Server) stop() {
	if s.t.Failed() {
		s.t.Logf("nginx: %s", tail(s.Log()))
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it fails only when nginx has ended
	_ = s.cmd.Wait()
}

func tail(s string) string {
	const most = 2000
	if len(s) > most {
		return "..." + s[len(s)-most:]
	}
	return s
}

// Certificate returns the files of a certificate and its key, as nginx reads them.
func Certificate(t testing.TB, c tls.Certificate) (cert, key []byte) {
	t.Helper()
	for _, der := range c.Certificate {
		cert = append(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
