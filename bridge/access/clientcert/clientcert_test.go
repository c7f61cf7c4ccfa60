package clientcert

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	k8sx509 "k8s.io/apiserver/pkg/authentication/request/x509"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is an authenticator with a CA.
type fixture struct {
	t      *testing.T
	ca     *testca.CA
	caFile string
	a      *Authenticator
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	x := &fixture{t: t, ca: testca.New(t, "clients")}
	x.caFile = testca.WriteFile(t, x.ca)
	x.open(Config{CertificateAuthority: x.caFile})
	return x
}

func (x *fixture) open(c Config) {
	x.t.Helper()
	a, err := New(c, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	x.a = a
	x.t.Cleanup(a.Close)
}

// request is one on a connection whose peer has presented c; nil: nothing.
func request(t testing.TB, c *tls.Certificate) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://bridge.example/k8s/clusters/prod/api", nil)
	r.TLS = &tls.ConnectionState{}
	if c != nil {
		r.TLS.PeerCertificates = testca.Parsed(t, *c)
	}
	return r
}

func (x *fixture) authenticate(c tls.Certificate) (*access.Caller, error) {
	x.t.Helper()
	return x.a.Authenticate(request(x.t, &c))
}

func at(notBefore, notAfter time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(notBefore), time.Now().Add(notAfter)
	}
}

// TestAsKubernetes: the caller is the user that an API server takes a certificate
// for, judged by its own authenticator.
func TestAsKubernetes(t *testing.T) {
	x := newFixture(t)
	below := x.ca.Intermediate("department", time.Now().Add(time.Minute))
	withUID := func(uids ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			for _, uid := range uids {
				c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57683, 2}, Value: uid})
			}
		}
	}
	options := k8sx509.DefaultVerifyOptions()
	options.Roots = x.ca.Pool()
	theirs := k8sx509.New(options, k8sx509.CommonNameUserConversion)
	for name, c := range map[string]tls.Certificate{
		"user":         x.ca.Client("alice", nil, nil),
		"groups":       x.ca.Client("alice", []string{"ops", "dev"}, nil),
		"uid":          x.ca.Client("alice", nil, withUID("42")),
		"two uids":     x.ca.Client("alice", nil, withUID("42", "43")),
		"empty uid":    x.ca.Client("alice", nil, withUID("")),
		"no name":      x.ca.Client("", []string{"ops"}, nil),
		"intermediate": below.Client("bob", nil, nil),
		"expired":      x.ca.Client("alice", nil, at(-2*time.Hour, -time.Hour)),
		"early":        x.ca.Client("alice", nil, at(time.Hour, 2*time.Hour)),
		"server":       x.ca.Server(),
		"stranger":     testca.New(t, "clients").Client("alice", nil, nil),
	} {
		r := request(t, &c)
		want, ok, err := theirs.AuthenticateRequest(r)
		got, ourErr := x.a.Authenticate(r)
		if ok != (ourErr == nil) {
			t.Errorf("%s: an API server says %v, %v; we %v", name, ok, err, ourErr)
			continue
		}
		if !ok {
			if !errors.Is(ourErr, access.ErrUnrecognized) {
				t.Errorf("%s: %v would keep a token from being read", name, ourErr)
			}
			continue
		}
		u := want.User
		if got.Name != u.GetName() || got.UID != u.GetUID() || !reflect.DeepEqual(got.Groups, u.GetGroups()) || !reflect.DeepEqual(got.Extra, u.GetExtra()) {
			t.Errorf("%s: %+v, an API server says %+v", name, got, u)
		}
		if got.Method != access.MethodCertificate || got.Lease.Ended() || !got.Expires.After(time.Now()) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestReasons: each reason has its own text, with both clocks where times matter.
func TestReasons(t *testing.T) {
	x := newFixture(t)
	late := x.ca.Intermediate("late", time.Now().Add(-time.Minute))
	many := x.ca.Client("alice", nil, nil)
	for range maxChain {
		many.Certificate = append(many.Certificate, many.Certificate[0])
	}
	for want, c := range map[string]tls.Certificate{
		`the client certificate has expired: that of "alice" was valid until 2`:                      x.ca.Client("alice", nil, at(-2*time.Hour, -time.Hour)),
		`the client certificate is not yet valid: that of "alice" is valid from 2`:                   x.ca.Client("alice", nil, at(time.Hour, 2*time.Hour)),
		`is not of a CA that this bridge trusts: it names "alice", issued by "others"`:               testca.New(t, "others").Client("alice", nil, nil),
		`is not for client authentication: that of "server" lacks the extended key usage clientAuth`: x.ca.Server(),
		`does not name a user: its subject has no common name (CN)`:                                  x.ca.Client("", nil, nil),
		`a CA certificate above that of "bob" is not within its times`:                               late.Client("bob", nil, nil),
		`11 certificates were sent, at most 10 allowed`:                                              many,
	} {
		_, err := x.authenticate(c)
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, access.ErrUnrecognized) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	plain := request(t, nil)
	if _, err := x.a.Authenticate(plain); !errors.Is(err, access.ErrNoCredentials) {
		t.Errorf("without a certificate: %v", err)
	}
	plain.TLS = nil
	if _, err := x.a.Authenticate(plain); !errors.Is(err, access.ErrNoCredentials) {
		t.Errorf("without TLS: %v", err)
	}
}

// wantEnd waits for the end of a lease.
func wantEnd(t *testing.T, c *access.Caller, within time.Duration) {
	t.Helper()
	ended := make(chan struct{})
	c.Lease.OnEnd(func(*access.Caller) { close(ended) })
	select {
	case <-ended:
	case <-time.After(within):
		t.Fatalf("the lease of %q has not ended after %v", c.Name, within)
	}
}

func TestLeaseEndsWithTheCertificate(t *testing.T) {
	x := newFixture(t)
	// A certificate's times are whole seconds.
	c, err := x.authenticate(x.ca.Client("alice", nil, at(-time.Hour, 2*time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	below := x.ca.Intermediate("short", time.Now().Add(2*time.Second))
	d, err := x.authenticate(below.Client("bob", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	wantEnd(t, c, 10*time.Second)
	wantEnd(t, d, 10*time.Second)
	if !d.Expires.Before(time.Now().Add(time.Second)) {
		t.Errorf("expires %v, want the end of the CA between", d.Expires)
	}
}

// TestLeaseEndsWithTheCA: the CA of one caller leaves the bundle.
func TestLeaseEndsWithTheCA(t *testing.T) {
	x := newFixture(t)
	other := testca.New(t, "new")
	testca.Rewrite(t, x.caFile, x.ca, other)
	cert, staying := x.ca.Client("alice", nil, nil), other.Client("bob", nil, nil)
	c, err := x.authenticate(cert)
	if err != nil {
		t.Fatal(err)
	}
	var d *access.Caller
	eventually.True(t, "the new CA", func() bool { d, err = x.authenticate(staying); return err == nil })
	testca.Rewrite(t, x.caFile, other)
	wantEnd(t, c, 10*time.Second)
	if _, err := x.authenticate(cert); !errors.Is(err, ErrUnknownCA) {
		t.Errorf("with a CA that has left: %v", err)
	}
	if again, err := x.authenticate(staying); err != nil || again != d || d.Lease.Ended() {
		t.Errorf("with a CA that stayed: %p, %v, want the same caller %p", again, err, d)
	}
	x.a.Close()
	wantEnd(t, d, time.Second)
	if _, err := x.authenticate(staying); !errors.Is(err, ErrUnknownCA) {
		t.Errorf("after Close: %v", err)
	}
}

// TestCallersAreForgotten: a caller is the same one while it is used, and takes no
// memory afterwards.
func TestCallersAreForgotten(t *testing.T) {
	x := newFixture(t)
	cert := x.ca.Client("alice", nil, nil)
	c, err := x.authenticate(cert)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		runtime.GC()
		if again, err := x.authenticate(cert); err != nil || again != c {
			t.Fatalf("another caller while the first is in use: %v", err)
		}
	}
	runtime.KeepAlive(c)
	c = nil
	eventually.True(t, "the cache to be empty", func() bool { runtime.GC(); return x.a.cache.len() == 0 })
}

func BenchmarkAuthenticate(b *testing.B) {
	ca := testca.New(b, "clients")
	a, err := New(Config{CertificateAuthority: testca.WriteFile(b, ca)}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	cert := ca.Client("alice", []string{"ops"}, nil)
	r := request(b, &cert)
	var kept *access.Caller
	b.ReportAllocs()
	for b.Loop() {
		if kept, err = a.Authenticate(r); err != nil {
			b.Fatal(err)
		}
	}
	runtime.KeepAlive(kept)
}

// len returns how many certificates are known.
func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}
