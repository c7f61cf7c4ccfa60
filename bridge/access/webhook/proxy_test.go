package webhook

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// kubeconfigThrough leads to a service at a name that only a proxy can resolve.
const kubeconfigThrough = `apiVersion: v1
kind: Config
clusters: [{name: service, cluster: {server: "https://service.invalid/review", proxy-url: %q}}]
users: [{name: bridge, user: {token: Bridge-token-5ecret}}]
current-context: webhook
contexts: [{name: webhook, context: {cluster: service, user: bridge}}]
`

func kubeconfigFile(t *testing.T, proxy string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, fmt.Appendf(nil, kubeconfigThrough, proxy), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// echo is a server that answers the first line of a format with what it was sent: the
// login of a proxy, and the whole body.
func echo(t *testing.T, format string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, basic, _ := strings.Cut(r.Header.Get("Proxy-Authorization"), " ")
				login, _ := base64.StdEncoding.DecodeString(basic)
				body := make([]byte, max(r.ContentLength, 0))
				_, _ = r.Body.Read(body)
				fmt.Fprint(c, strings.NewReplacer("$LOGIN", string(login), "$AUTH", r.Header.Get("Authorization"), "$BODY", string(body)).Replace(format))
			}
			c.Close()
		}
	}()
	return l.Addr().String()
}

// TestHostileProxyOfService: a proxy that repeats its password gets it neither into the
// log nor into an answer.
func TestHostileProxyOfService(t *testing.T) {
	f := newFake(t, nil)
	f.kubeconfig = kubeconfigFile(t, "http://bridge:Pa55word-of-proxy@"+echo(t, "HTTP/1.1 407 not $LOGIN\r\n\r\n"))
	_, err := openTokenReview(t, f, nil).Authenticate(request("secret-token"))
	if !unreachable(err) {
		t.Error(err)
	}
	if all := f.log.String() + err.Error(); strings.Contains(all, "Pa55") || !strings.Contains(all, "407 Proxy Authentication Required") {
		t.Errorf("shown: %s", all)
	}
	if url, err := Probe(t.Context(), f.kubeconfig, nil); err == nil || strings.Contains(err.Error()+url, "Pa55") {
		t.Errorf("the probe: %v", err)
	}
}

// TestServiceRepeatsCredentials: a service that answers with what it was sent, and not
// with HTTP, gets that into no log.
func TestServiceRepeatsCredentials(t *testing.T) {
	for _, what := range []string{"$AUTH\r\n\r\n", "$BODY\r\n\r\n"} {
		f := newFake(t, nil)
		content := strings.Replace(fmt.Sprintf(kubeconfigThrough, ""), "https://service.invalid", "http://"+echo(t, what), 1)
		if err := os.WriteFile(f.kubeconfig, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := openTokenReview(t, f, nil).Authenticate(request("Opaque-5ecret-token"))
		if !unreachable(err) {
			t.Errorf("%q: %v", what, err)
		}
		if all := f.log.String() + err.Error(); strings.Contains(all, "5ecret") || !strings.Contains(all, "malformed HTTP") {
			t.Errorf("%q: shown: %s", what, all)
		}
	}
}

// TestProxyURLOfKubeconfig: one that is malformed is not shown, as it may have a password.
func TestProxyURLOfKubeconfig(t *testing.T) {
	err := CheckKubeconfig(kubeconfigFile(t, "http://bridge:Pa55word%zz@proxy:3128"))
	if err == nil || strings.Contains(err.Error(), "Pa55") || !strings.Contains(err.Error(), "proxy-url") {
		t.Errorf("got %v", err)
	}
}
