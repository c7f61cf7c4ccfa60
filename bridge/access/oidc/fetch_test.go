package oidc

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	idp "github.com/fairlead-io/fairlead/test/harness/issuer"
)

func fetch(t *testing.T, config Issuer) ([]*key, error) {
	t.Helper()
	f, err := newFetcher(&config, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return f.keys(t.Context())
}

// TestExplanations: what senders are told of an issuer that cannot be used.
func TestExplanations(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, i *idp.Issuer, c *Issuer)
		want   string
	}{
		"down":     {func(_ *testing.T, i *idp.Issuer, _ *Issuer) { i.Stop() }, "cannot be reached: connection refused"},
		"failing":  {func(_ *testing.T, i *idp.Issuer, _ *Issuer) { i.Fail(502) }, "the bridge's log says more"},
		"other CA": {func(t *testing.T, _ *idp.Issuer, c *Issuer) { c.CertificateAuthority = startIssuer(t).CAFile() }, "has a certificate that this bridge does not trust"},
		"no CA":    {func(_ *testing.T, _ *idp.Issuer, c *Issuer) { c.CertificateAuthority = "" }, "has a certificate that this bridge does not trust"},
		"other name": {func(_ *testing.T, i *idp.Issuer, c *Issuer) {
			c.URL = strings.Replace(i.URL(), "127.0.0.1", "127.0.0.2", 1)
		}, ""},
		"no host": {func(_ *testing.T, _ *idp.Issuer, c *Issuer) { c.URL = "https://issuer.invalid" }, "has a host name that cannot be resolved"},
		"calls itself otherwise": {func(_ *testing.T, i *idp.Issuer, _ *Issuer) { i.SetMetadata("issuer", "https://other") },
			"calls itself by another URL in its discovery document"},
		"keys without TLS": {func(_ *testing.T, i *idp.Issuer, _ *Issuer) {
			i.SetMetadata("jwks_uri", strings.Replace(i.URL(), "https", "http", 1)+"/keys")
		}, "leads to a URL that is not https"},
		"redirect without TLS": {func(_ *testing.T, i *idp.Issuer, _ *Issuer) {
			i.Handle("/keys", http.RedirectHandler(strings.Replace(i.URL(), "https", "http", 1), http.StatusFound))
		}, "leads to a URL that is not https"},
		"redirect to itself": {func(_ *testing.T, i *idp.Issuer, _ *Issuer) {
			i.Handle("/keys", http.RedirectHandler("/keys", http.StatusFound))
		}, "the bridge's log says more"},
		"no keys":      {func(_ *testing.T, i *idp.Issuer, _ *Issuer) { i.WithdrawKey("key-1") }, "publishes no key that can be used"},
		"endless keys": {func(_ *testing.T, i *idp.Issuer, _ *Issuer) { i.Handle("/keys", http.HandlerFunc(endless)) }, "answers with a document that is too large"},
		"endless discovery": {func(_ *testing.T, i *idp.Issuer, _ *Issuer) { i.Handle(idp.PathDiscovery, http.HandlerFunc(endless)) },
			""},
	} {
		i := startIssuer(t)
		config := trusting(i)
		tt.change(t, i, &config)
		keys, err := fetch(t, config)
		if err == nil || len(keys) > 0 {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
			continue
		}
		if why := explain(err); !strings.Contains(why, tt.want) || strings.Contains(why, "127.0.0.1") {
			t.Errorf("%s: %q of %v, want %q", name, why, err, tt.want)
		}
	}
}

func endless(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	for {
		if _, err := w.Write(make([]byte, 1<<16)); err != nil {
			return
		}
	}
}

// TestKeySets: keys that are no use are skipped, and the others are used.
func TestKeySets(t *testing.T) {
	i := startIssuer(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	raw := func(k jose.JSONWebKey) json.RawMessage {
		b, err := k.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	public := i.PublicKey("key-1")
	keys, err := json.Marshal(map[string]any{"keys": []json.RawMessage{
		[]byte(`{"kty":"oct","k":"c2VjcmV0","kid":"shared"}`),
		[]byte(`{"kty":"OKP","crv":"Ed448","x":"AA","kid":"unknown curve"}`),
		[]byte(`{"kty":"RSA","n":"","e":"","kid":"empty"}`),
		[]byte(`7`),
		raw(jose.JSONWebKey{Key: weak.Public(), KeyID: "weak"}),
		raw(jose.JSONWebKey{Key: weak, KeyID: "private"}),
		raw(jose.JSONWebKey{Key: public, KeyID: "for encryption", Use: "enc"}),
		raw(jose.JSONWebKey{Key: public, KeyID: "bare"}),
		raw(jose.JSONWebKey{Key: public, KeyID: "whole", Use: "sig", Algorithm: "RS256"}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	i.Handle("/keys", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(keys) }))
	got, err := fetch(t, trusting(i))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range got {
		ids = append(ids, k.id)
	}
	if strings.Join(ids, ",") != "bare,whole" {
		t.Errorf("got %q", ids)
	}
}

// TestPrivateCAIsReadAgain: an issuer whose CA is replaced.
func TestPrivateCAIsReadAgain(t *testing.T) {
	i, other := startIssuer(t), startIssuer(t)
	config := trusting(i)
	config.CertificateAuthority = t.TempDir() + "/ca.crt"
	write := func(from *idp.Issuer) {
		ca, err := os.ReadFile(from.CAFile())
		if err == nil {
			err = os.WriteFile(config.CertificateAuthority, ca, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(other)
	a := open(t, config)
	token := mint(t, i, nil)
	if _, err := a.Authenticate(request(token)); err == nil || !strings.Contains(err.Error(), "does not trust") {
		t.Errorf("another CA: %v", err)
	}
	write(i)
	waitAccepted(t, a, token)
}

// TestProxy: the issuer is reached through a proxy, and only so.
func TestProxy(t *testing.T) {
	i := startIssuer(t)
	var tunnels atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tunnels.Add(1)
		if r.Method != http.MethodConnect || r.Host != "localhost:1" {
			http.Error(w, "unexpected", http.StatusBadRequest)
			return
		}
		splice(t, w, strings.TrimPrefix(i.URL(), "https://"))
	}))
	defer proxy.Close()
	config := trusting(i)
	config.URL, config.ProxyURL = "https://localhost:1", proxy.URL // where nothing listens
	i.SetMetadata("issuer", config.URL)
	i.SetMetadata("jwks_uri", config.URL+"/keys")
	if keys, err := fetch(t, config); err != nil || len(keys) != 1 || tunnels.Load() == 0 {
		t.Errorf("%d keys, %v; %d tunnels", len(keys), err, tunnels.Load())
	}
}

// splice connects a client of a proxy with an address until one side closes.
func splice(t *testing.T, w http.ResponseWriter, address string) {
	up, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer up.Close()
	down, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer down.Close()
	fmt.Fprint(down, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		_, _ = io.Copy(up, down)
		up.Close()
	}()
	_, _ = io.Copy(down, up)
}

// TestHostileProxyOfIssuer: a proxy that repeats its password gets it neither into the
// log nor into an answer.
func TestHostileProxyOfIssuer(t *testing.T) {
	const password = "Pa55word-of-proxy"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxy := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		down, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer down.Close()
		_, basic, _ := strings.Cut(r.Header.Get("Proxy-Authorization"), " ")
		login, _ := base64.StdEncoding.DecodeString(basic)
		fmt.Fprintf(down, "HTTP/1.1 407 not %s\r\n\r\n", login)
	})}
	go func() { _ = proxy.Serve(l) }()
	defer proxy.Close()
	config := trusting(startIssuer(t))
	config.URL, config.ProxyURL = "https://localhost:1", "http://bridge:"+password+"@"+l.Addr().String()
	_, err = fetch(t, config)
	if err == nil || !strings.Contains(err.Error(), "407 Proxy Authentication Required") || strings.Contains(err.Error(), "Pa55") {
		t.Errorf("got %v", err)
	}
}
