package agent

import (
	"bufio"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
)

// forwardProxy takes CONNECT with a password, whatever the host, to the port
// that is asked for on this machine.
type forwardProxy struct {
	authorization string

	mu    sync.Mutex
	asked map[string]bool
}

func (f *forwardProxy) serve(c net.Conn) {
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	f.mu.Lock()
	f.asked[req.Method+" "+req.Host] = true
	f.mu.Unlock()
	if req.Header.Get("Proxy-Authorization") != f.authorization {
		_, _ = io.WriteString(c, "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
		_ = c.Close()
		return
	}
	_, port, _ := net.SplitHostPort(req.Host)
	out, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		_ = c.Close()
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(out, r); _ = out.Close() })
	_, _ = io.Copy(c, out)
	_, _ = c.Close(), out.Close()
	wg.Wait()
}

// TestForwardProxyIsForTheBrokerAlone: the proxy of HTTPS_PROXY is used for the
// broker, and not for the API server. Its password is in no log.
func TestForwardProxyIsForTheBrokerAlone(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, func(http.ResponseWriter, *http.Request) {})
	creds, _ := b.Creds(b.Agents, "prod", time.Time{})
	proxy := &forwardProxy{authorization: "Basic " + base64.StdEncoding.EncodeToString([]byte("me:hush")), asked: map[string]bool{}}
	address := strings.TrimPrefix(agenttest.RawServer(t, proxy.serve), "http://")
	server := strings.Replace(b.URL(), "127.0.0.1", "broker.test", 1)
	kube := agenttest.ConfigFor(s)
	cfg := Config{Servers: []string{server}, CredsFile: creds, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(kube)}

	t.Setenv("HTTPS_PROXY", "http://me:wrong@"+address)
	a, stop, refusals := runAgent(t, cfg)
	agenttest.WaitFor(t, "the refusal", func() bool {
		text, _ := brokerCheck(t, a)
		return strings.Contains(text, "through the proxy http://"+address+"): it does not accept the user and password in the proxy's URL: 407 Proxy Authentication Required")
	})
	stop()

	t.Setenv("HTTPS_PROXY", "http://me:hush@"+address)
	kube.Host = strings.Replace(s.URL, "127.0.0.1", "api.test", 1) // only a proxy knows it
	a, _, log := runAgent(t, cfg)
	agenttest.WaitFor(t, "connected", func() bool { _, ok := brokerCheck(t, a); return ok })
	agenttest.WaitFor(t, "the API server's name is resolved here", func() bool {
		_, err := a.APIServerCheck(t.Context())
		return err != nil && strings.Contains(err.Error(), "lookup api.test")
	})
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if want := "CONNECT " + strings.TrimPrefix(server, "tls://"); len(proxy.asked) != 1 || !proxy.asked[want] {
		t.Errorf("the proxy was asked for %v, want only %s", proxy.asked, want)
	}
	if text := log.String() + refusals.String(); strings.Contains(text, "hush") || strings.Contains(text, "wrong") {
		t.Errorf("the proxy's password was logged:\n%s", text)
	}
}

// TestProxyCredentialsFile: the file with the proxy's password may come late, be wrong
// and be replaced while the agent runs. It is in no log and no reason.
func TestProxyCredentialsFile(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, func(http.ResponseWriter, *http.Request) {})
	creds, _ := b.Creds(b.Agents, "prod", time.Time{})
	proxy := &forwardProxy{authorization: "Basic " + base64.StdEncoding.EncodeToString([]byte("me:hush")), asked: map[string]bool{}}
	t.Setenv("ALL_PROXY", agenttest.RawServer(t, proxy.serve))
	file := filepath.Join(t.TempDir(), "password")
	a, _, log := runAgent(t, Config{
		Servers: []string{strings.Replace(b.URL(), "127.0.0.1", "broker.test", 1)}, CredsFile: creds, Transport: transport.Config{CAFile: b.CAFile},
		ProxyCredentialsFile: file, LoadKube: loads(agenttest.ConfigFor(s)),
	})
	says := func(want string) func() bool {
		return func() bool {
			text, _ := brokerCheck(t, a)
			if strings.Contains(text, "hush") {
				t.Errorf("shows the password: %s", text)
			}
			return strings.Contains(text, want)
		}
	}
	agenttest.WaitFor(t, "the missing file", says("read the credentials for the proxy from "+file+"): no such file"))
	agenttest.WriteFile(t, file, "hush-hush")
	agenttest.WaitFor(t, "the malformed file", says("does not hold user:password"))
	agenttest.WriteFile(t, file, "me:wrong-hush")
	agenttest.WaitFor(t, "the refusal", says("it does not accept the user and password in "+file))
	agenttest.WriteFile(t, file, "me:hush\n")
	agenttest.WaitFor(t, "connected", func() bool { _, ok := brokerCheck(t, a); return ok })
	if strings.Contains(log.String(), "hush") {
		t.Errorf("the proxy's password was logged:\n%s", log)
	}
}

// TestWebSocketOnAPath: an agent serves over wss:// on a path of a reverse
// proxy, and reports what answers there if the path is wrong.
func TestWebSocketOnAPath(t *testing.T) {
	b := agenttest.NewBroker(t)
	b.Stop()
	b.Options.Websocket = natsserver.WebsocketOpts{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoTLS: true}
	b.Start()
	backend, err := url.Parse(strings.Replace(b.Server.WebsocketURL(), "ws:", "http:", 1))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/-/fairlead/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backend); r.Out.URL.Path = "/" }})
	front := httptest.NewUnstartedServer(mux)
	front.TLS = b.Options.TLSConfig.Clone()
	front.StartTLS()
	t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	s := agenttest.Kube(t, func(http.ResponseWriter, *http.Request) {})
	creds, public := b.Creds(b.Agents, "prod", time.Time{})
	bridge, seen := b.Bridge()
	base := "wss" + strings.TrimPrefix(front.URL, "https")
	cfg := Config{Servers: []string{base + "/wrong", base + "/-/fairlead"}, CredsFile: creds, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s))}
	a, _, _ := runAgent(t, cfg)
	agenttest.WaitFor(t, "presence", func() bool { return seen.Find(agenttest.IsUp) != "" })
	agenttest.WaitFor(t, "readiness names the path", func() bool {
		text, ok := brokerCheck(t, a)
		return ok && strings.Contains(text, "connected to "+base+"/-/fairlead")
	})
	if status, err := agenttest.Call(t, bridge, seen.Find(agenttest.IsUp), agenttest.Get("/api")); status != 200 || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	b.Account.Revoke(public)
	b.Push()
	agenttest.WaitFor(t, "both servers' reasons", func() bool {
		text, _ := brokerCheck(t, a)
		return strings.Contains(text, base+"/wrong: http-upgrade: no such path") && strings.Contains(text, "answered with 404 Not Found, not 101") &&
			strings.Contains(text, base+"/-/fairlead: jwt: the credentials were revoked")
	})
}
