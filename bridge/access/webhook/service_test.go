package webhook

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a service that reviews, over TLS, for callers with a client certificate.
type fake struct {
	t          testing.TB
	server     *httptest.Server
	kubeconfig string
	log        lockedBuffer

	mu       sync.Mutex
	asked    []*asked
	answerer func(w http.ResponseWriter, a *asked)
	hold     chan struct{} // if not nil, answers wait until it is closed
}

// asked is a question.
type asked struct {
	method, path, contentType, user string
	body                            map[string]any
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newFake(t testing.TB, answerer func(http.ResponseWriter, *asked)) *fake {
	t.Helper()
	f := &fake{t: t, answerer: answerer}
	ca, clients := testca.New(t, "service"), testca.New(t, "clients")
	f.server = httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	f.server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Server()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients.Pool()}
	f.server.EnableHTTP2 = true
	f.server.StartTLS()
	t.Cleanup(f.server.Close)
	dir := t.TempDir()
	client := clients.Client("bridge", nil, nil)
	key, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"ca.crt": ca.PEM(), "tls.crt": testca.PEM(client), "tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"kubeconfig": fmt.Appendf(nil, kubeconfigText, f.server.URL),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.kubeconfig = filepath.Join(dir, "kubeconfig")
	return f
}

// kubeconfigText is as in the documentation of Kubernetes. Its files are relative to it.
const kubeconfigText = `apiVersion: v1
kind: Config
clusters:
  - name: service
    cluster:
      certificate-authority: ca.crt
      server: %s/review
users:
  - name: bridge
    user:
      client-certificate: tls.crt
      client-key: tls.key
current-context: webhook
contexts:
  - name: webhook
    context: {cluster: service, user: bridge}
`

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	a := &asked{method: r.Method, path: r.URL.Path, contentType: r.Header.Get("Content-Type"), user: r.TLS.PeerCertificates[0].Subject.CommonName}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return // who asked has left
	}
	if err := json.Unmarshal(b, &a.body); err != nil {
		f.t.Errorf("the service got %q", b)
	}
	f.mu.Lock()
	f.asked = append(f.asked, a)
	answerer, hold := f.answerer, f.hold
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return
		}
	}
	answerer(w, a)
}

func (f *fake) set(answerer func(http.ResponseWriter, *asked)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answerer = answerer
}

func (f *fake) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}

// last returns the last question.
func (f *fake) last() *asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[len(f.asked)-1]
}

func (f *fake) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&f.log, nil)) }

func status(code int) func(http.ResponseWriter, *asked) {
	return func(w http.ResponseWriter, _ *asked) { w.WriteHeader(code) }
}

func text(s string) func(http.ResponseWriter, *asked) {
	return func(w http.ResponseWriter, _ *asked) { _, _ = io.WriteString(w, s) }
}

// unreachable reports whether err is the answer for a service without an answer.
func unreachable(err error) bool {
	f, ok := errors.AsType[*answer.Failure](err)
	return ok && f.Kind == answer.ReviewUnreachable
}

// TestNoAnswer: whatever a service does other than answer is a 503, after a bounded
// number of attempts.
func TestNoAnswer(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answerer func(http.ResponseWriter, *asked)
		attempts int
		text     string
	}{
		{"500", status(500), maxAttempts, "answers with status 500"},
		{"429", status(429), maxAttempts, "answers with status 429"},
		{"503", status(503), 1, "answers with status 503"},
		{"503 with a time", func(w http.ResponseWriter, _ *asked) { w.Header().Set("Retry-After", "1"); w.WriteHeader(503) }, maxAttempts, "answers with status 503"},
		{"403", status(403), 1, "answers with status 403"},
		{"302", func(w http.ResponseWriter, _ *asked) { w.Header().Set("Location", "/other"); w.WriteHeader(302) }, 1, "answers with status 302"},
		{"nothing", status(200), 1, "something other than a review"},
		{"text", text("ok"), 1, "something other than a review"},
		{"a Status", text(`{"kind":"Status","apiVersion":"v1","status":"Success"}`), 1, "something other than a review"},
		{"another version", text(`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1beta1","status":{"authenticated":true,"user":{"username":"a"}}}`), 1, "something other than a review"},
		{"another type", text(`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"authenticated":"true"}}`), 1, "something other than a review"},
		{"too much", text(strings.Repeat(" ", maxAnswer+1)), 1, "more than 1048576 bytes"},
		{"a broken answer", func(w http.ResponseWriter, _ *asked) {
			w.Header().Set("Content-Length", "9")
			panic(http.ErrAbortHandler)
		}, maxAttempts, "cannot be reached"},
	} {
		f := newFake(t, tt.answerer)
		x := openTokenReview(t, f, nil)
		_, err := x.Authenticate(request("secret-token"))
		if !unreachable(err) || !strings.Contains(err.Error(), "the token review service "+tt.text) && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.text)
		}
		if f.calls() != tt.attempts {
			t.Errorf("%s: asked %d times, want %d", tt.name, f.calls(), tt.attempts)
		}
		if strings.Contains(f.log.String()+err.Error(), "secret-token") || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: shown: %v, logged: %s", tt.name, err, f.log.String())
		}
		if !strings.Contains(f.log.String(), "review failed") {
			t.Errorf("%s: nothing logged", tt.name)
		}
	}
}

// TestServiceComesBack: one that is not there, and then is.
func TestServiceComesBack(t *testing.T) {
	f := newFake(t, status(500))
	x := openTokenReview(t, f, nil)
	if _, err := x.Authenticate(request("alice")); !unreachable(err) {
		t.Errorf("down: %v", err)
	}
	f.set(tokens{"alice": {Username: "alice"}}.answer)
	if c, err := x.Authenticate(request("alice")); err != nil || c.Name != "alice" {
		t.Errorf("up again: %v, %v", c, err)
	}
	f.server.Close()
	if _, err := x.Authenticate(request("bob")); !unreachable(err) || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("gone: %v", err)
	}
}

// TestKubeconfigChanges: the file is read again.
func TestKubeconfigChanges(t *testing.T) {
	f := newFake(t, tokens{"alice": {Username: "alice"}}.answer)
	x := openTokenReview(t, f, nil)
	if _, err := x.Authenticate(request("alice")); err != nil || f.last().path != "/review" {
		t.Fatalf("%v", err)
	}
	content := strings.Replace(fmt.Sprintf(kubeconfigText, f.server.URL), "/review", "/moved/", 1)
	if err := os.WriteFile(f.kubeconfig, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	eventually.True(t, "the new path", func() bool {
		n++
		_, err := x.Authenticate(request(fmt.Sprint("other", n)))
		return errors.Is(err, ErrDenied) && f.last().path == "/moved"
	})
}

// TestServiceCAChanges: the CA's file is read again too.
func TestServiceCAChanges(t *testing.T) {
	f := newFake(t, tokens{}.answer)
	x := openTokenReview(t, f, nil)
	file := filepath.Join(filepath.Dir(f.kubeconfig), "ca.crt")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ask := func() error {
		n++
		_, err := x.Authenticate(request(fmt.Sprint("t", n)))
		return err
	}
	if err := ask(); !errors.Is(err, ErrDenied) {
		t.Fatal(err)
	}
	testca.Rewrite(t, file, testca.New(t, "other"))
	eventually.True(t, "the service to be distrusted", func() bool { return unreachable(ask()) })
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, "the service to be trusted again", func() bool { return errors.Is(ask(), ErrDenied) })
}
