package doctor

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/oidc"
	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/bridge/access/webhook"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

const proxyLogin = "bridge:Pa55word"

// forwardProxy connects whoever logs in with proxyLogin, or answers everybody with a status.
func forwardProxy(t *testing.T, status int) *url.URL {
	t.Helper()
	var open sync.WaitGroup // of those that were hijacked too
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open.Add(1) // while the server knows the connection, and waits for it
		defer open.Done()
		if status != 0 {
			http.Error(w, "no", status)
			return
		}
		if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(proxyLogin)) {
			w.Header().Set("Proxy-Authenticate", `Basic realm="p"`)
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		from, _, err := http.NewResponseController(w).Hijack() // before the client may go on
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n")
		var up sync.WaitGroup
		up.Go(func() { _, _ = io.Copy(to, from); _ = to.Close() })
		_, _ = io.Copy(from, to)
		_ = from.Close()
		up.Wait()
	}))
	t.Cleanup(func() { s.Close(); open.Wait() })
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// serveIssuer serves an issuer, which answers webhooks' probes too.
func serveIssuer(t *testing.T) oidc.Issuer {
	t.Helper()
	ca := testca.New(t, "issuer")
	mux := http.NewServeMux()
	s := httptest.NewUnstartedServer(mux)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ca.Server()}}
	s.StartTLS()
	t.Cleanup(s.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":"%s/keys"}`, s.URL, s.URL)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	})
	return oidc.Issuer{Name: "corp", URL: s.URL, CertificateAuthority: testca.WriteFile(t, ca)}
}

func withLogin(u *url.URL, login string) string {
	named := *u
	user, password, _ := strings.Cut(login, ":")
	named.User = url.UserPassword(user, password)
	return named.String()
}

// reachedThrough looks at an issuer and a service by their own proxy, "" for that of
// proxies.
func reachedThrough(t *testing.T, issuer oidc.Issuer, own string, proxies *proxy.Proxies) []*diagnosis.Target {
	t.Helper()
	issuer.ProxyURL = own
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: %q, proxy-url: %q, certificate-authority: %q}}]\n"+
		"contexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n", issuer.URL+"/review", own, issuer.CertificateAuthority)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := &Config{Timeout: 5 * time.Second, Proxies: proxies, Access: &Verdict{Config: &policy.Config{Authentication: policy.Authentication{
		OIDC: oidc.Config{issuer}, TokenReview: &webhook.TokenReviewConfig{Kubeconfig: kubeconfig},
	}}}}
	return cfg.lookAtServices(t.Context())
}

// TestThroughProxy: issuers and services are reached with the login for the brokers' proxy
// or that of their own, and a proxy that refuses is named as the hop that it is.
func TestThroughProxy(t *testing.T) {
	issuer, asks, down := serveIssuer(t), forwardProxy(t, 0), forwardProxy(t, http.StatusServiceUnavailable)
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte(proxyLogin+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := func(u *url.URL, file string) *proxy.Proxies {
		return &proxy.Proxies{For: func(*url.URL) (*url.URL, error) { return u, nil }, CredentialsFile: file, Logins: new(proxy.Logins)}
	}
	for name, c := range map[string]struct {
		own     string
		proxies *proxy.Proxies
		want    cause.ID // "": it is reached
		do      string
	}{
		"credentials file":    {"", environment(asks, file), "", ""},
		"no credentials":      {"", environment(asks, ""), cause.ProxyAuthRequired, "--broker-proxy-credentials"},
		"own, with a login":   {withLogin(asks, proxyLogin), environment(down, ""), "", ""},
		"own, wrong password": {withLogin(asks, "bridge:other"), nil, cause.ProxyAuthRequired, "in the proxy's URL"},
		"own, none":           {asks.String(), environment(asks, file), cause.ProxyAuthRequired, "in the proxy's URL"},
		"unavailable":         {"", environment(down, ""), cause.ProxyFailed, "from the proxy's side"},
	} {
		for _, target := range reachedThrough(t, issuer, c.own, c.proxies) {
			failed := target.Failed()
			switch {
			case c.want == "" && failed != nil:
				t.Errorf("%s: %s: %+v", name, target.Name, failed.Failure)
			case c.want != "" && (failed == nil || failed.Hop != cause.Proxy || failed.Failure.Cause != c.want || !strings.Contains(failed.Failure.Do, c.do)):
				t.Errorf("%s: %s: %+v, want %s", name, target.Name, failed, c.want)
			}
			if failed != nil && strings.Contains(fmt.Sprintf("%+v", failed.Failure), "Pa55") {
				t.Errorf("%s shows the password: %+v", name, failed.Failure)
			}
		}
	}
}
