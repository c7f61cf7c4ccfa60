package harness

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// URL is the bridge's URL of a path.
func (s *System) URL(path string) string {
	_, port, _ := strings.Cut(s.Bridge.Address, ":")
	return "https://localhost:" + port + path
}

// Client is shared by all callers that need no client of their own. It trusts
// the installation's CA, presents the token and speaks HTTP/2.
func (s *System) Client() *http.Client { return s.client }

// NewClient returns a client like Client with connections of its own. Without
// h2 in options it speaks HTTP/2.
func (s *System) NewClient(options ...ClientOption) (*http.Client, error) {
	ca, err := os.ReadFile(s.CAFile())
	if err != nil {
		return nil, fmt.Errorf("client of the bridge: %w", err)
	}
	return newClient(ca, s.Token, options...)
}

// ClientOption changes the transport of a client.
type ClientOption func(*http.Transport)

// HTTP1 lets a client speak HTTP/1.1.
func HTTP1(t *http.Transport) {
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
}

// NoCompression keeps a client from asking for compression and from decompressing.
func NoCompression(t *http.Transport) { t.DisableCompression = true }

// NewTokenClient returns a client that trusts a CA and presents a token.
func NewTokenClient(caFile, token string, options ...ClientOption) (*http.Client, error) {
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return newClient(ca, token, options...)
}

func newClient(ca []byte, token string, options ...ClientOption) (*http.Client, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("client: no certificate in the CA file")
	}
	t := &http.Transport{
		Proxy:               nil, // the bridge is on loopback, whatever the environment says
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 128,
	}
	for _, o := range options {
		o(t)
	}
	return &http.Client{Transport: &withToken{token: token, next: t}}, nil
}

// withToken presents a token with each request that has no Authorization.
type withToken struct {
	token string
	next  *http.Transport
}

func (w *withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") == "" && w.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+w.token)
	}
	return w.next.RoundTrip(r)
}

// CloseIdleConnections lets http.Client find the transport's.
func (w *withToken) CloseIdleConnections() { w.next.CloseIdleConnections() }

// Kubeconfig asks the bridge for a kubeconfig of a cluster, and writes it to dir. The
// file contains the caller's token.
func (s *System) Kubeconfig(ctx context.Context, ref, dir string) (string, error) {
	return s.kubeconfig(ctx, ref, "", filepath.Join(dir, ref+".kubeconfig"))
}

// HostKubeconfig is Kubeconfig with the cluster's own host as its server, below
// the domain of option ClusterDomain.
func (s *System) HostKubeconfig(ctx context.Context, ref, dir string) (string, error) {
	return s.kubeconfig(ctx, ref, "?style=host", filepath.Join(dir, ref+".host.kubeconfig"))
}

func (s *System) kubeconfig(ctx context.Context, ref, query, path string) (string, error) {
	content, err := get(ctx, s.client, s.URL("/v1/clusters/"+ref+"/kubeconfig"+query))
	if err != nil {
		return "", fmt.Errorf("kubeconfig of %s: %w", ref, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("kubeconfig of %s: %w", ref, err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return "", fmt.Errorf("kubeconfig of %s: %w", ref, err)
	}
	return path, nil
}

// run runs a program to its end and returns its output.
func run(ctx context.Context, path string, args ...string) (string, error) {
	stdout, stderr, err := Command{Path: path, Args: args, Env: childEnv(os.Environ())}.Run(ctx)
	return stdout + stderr, err
}
