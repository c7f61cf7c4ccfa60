package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// rawTarget says how to connect to a side by hand: as HTTP/1.1, verified.
func rawTarget(t *testing.T, s side) (config *tls.Config, host string) {
	t.Helper()
	rc := restConfig(t, s)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(rc.CAData) {
		t.Fatalf("the kubeconfig of %s has no CA", s.name)
	}
	u, err := url.Parse(s.server)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{RootCAs: roots, ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}}, u.Host
}

func restConfig(t *testing.T, s side) *rest.Config {
	t.Helper()
	rc, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := rest.LoadTLSFiles(rc); err != nil {
		t.Fatal(err)
	}
	return rc
}

// requestHead is a request's head for a path of the API, with the side's
// token. Each line of more is added.
func requestHead(t *testing.T, s side, method, path string, more ...string) string {
	t.Helper()
	u, err := url.Parse(s.server)
	if err != nil {
		t.Fatal(err)
	}
	lines := append([]string{
		fmt.Sprintf("%s %s%s HTTP/1.1", method, u.Path, path),
		"Host: " + u.Host,
		"Authorization: Bearer " + restConfig(t, s).BearerToken,
	}, more...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// write writes text unchanged.
func (c *rawConn) write(t *testing.T, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// response reads a response's head; the body is read from it as usual.
func (c *rawConn) response(t *testing.T, method string) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("read response: %v", err)
	}
	return resp
}
