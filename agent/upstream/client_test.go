package upstream

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/fairlead-io/fairlead/agent/agenttest"
)

func TestChangedTokenIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		agenttest.WriteFile(t, file, "one\n")
		b, err := newBearerSource(&transport.Config{BearerTokenFile: file})
		if err != nil {
			t.Fatal(err)
		}
		agenttest.WriteFile(t, file, "two\n")
		if got := b.header()[0]; got != "Bearer one" {
			t.Errorf("got %q; the file is looked at once a minute", got)
		}
		time.Sleep(time.Minute)
		if got := b.header()[0]; got != "Bearer two" {
			t.Errorf("got %q", got)
		}
		_ = os.Remove(file)
		time.Sleep(time.Minute)
		if got := b.header()[0]; got != "Bearer two" {
			t.Errorf("got %q; a lost file leaves the token", got)
		}
	})
}

func TestUnsafeUpstreamsAreRefused(t *testing.T) {
	for want, config := range map[string]*rest.Config{
		"insecure-skip-tls-verify": {Host: "https://a.example", TLSClientConfig: rest.TLSClientConfig{Insecure: true}},
		"plain HTTP":               {Host: "http://a.example"},
		"no PEM certificate":       {Host: "https://a.example", TLSClientConfig: rest.TLSClientConfig{CAFile: "/dev/null"}},
		"no such file":             {Host: "https://a.example", TLSClientConfig: rest.TLSClientConfig{CAFile: "/does/not/exist"}},
		"token":                    {Host: "https://a.example", BearerTokenFile: "/does/not/exist"},
	} {
		if _, err := New(config, agenttest.Discard()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if _, err := New(&rest.Config{Host: "http://127.0.0.1:1"}, agenttest.Discard()); err != nil {
		t.Errorf("plain HTTP to the machine itself: %v", err)
	}
}

// TestProxyPasswordIsNotShown: a proxy of a kubeconfig that repeats its password, and a
// URL that cannot be parsed.
func TestProxyPasswordIsNotShown(t *testing.T) {
	const password = "Pa55word-of-proxy"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = c.Write([]byte("HTTP/1.1 407 not " + password + "\r\n\r\n"))
			c.Close()
		}
	}()
	for proxy, want := range map[string]string{
		"http://agent:" + password + "@" + l.Addr().String():    "the proxy refuses the connection: status 407",
		"http://agent:" + password + "%zz@" + l.Addr().String(): "proxy-url",
		"gopher://agent:" + password + "@" + l.Addr().String():  "proxy-url",
	} {
		file := filepath.Join(t.TempDir(), "kubeconfig")
		agenttest.WriteFile(t, file, `{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: c}}],
 clusters: [{name: c, cluster: {server: "https://api.invalid", proxy-url: "`+proxy+`"}}]}`)
		config, err := LoadConfig(file, "")
		if err == nil {
			var u *Client
			if u, err = New(config, nil); err != nil {
				t.Fatal(err)
			}
			_, err = u.ask(t.Context(), "test", http.MethodGet, "/version", nil)
			u.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Pa55") {
			t.Errorf("%s: %v", want, err)
		}
	}
}
