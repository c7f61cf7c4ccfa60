package issuer

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// Paths of an issuer, below its URL.
const (
	PathDiscovery = "/.well-known/openid-configuration"
	PathKeys      = "/keys"
)

// Issuer is an OpenID Connect issuer. It is safe for concurrent use.
type Issuer struct {
	address string
	caFile  string
	tls     *tls.Config

	mu       sync.Mutex // guards the rest
	keys     []*signingKey
	made     int // keys so far, for their ids
	metadata map[string]any
	handlers map[string]http.Handler
	requests map[string]int
	status   int // of all answers; 0: as usual
	server   *http.Server
	served   chan struct{} // closed when server no longer accepts
}

// New starts an issuer with one key of RS256, at a port that stays free while it is
// stopped. It writes the certificate of its CA to dir. [Issuer.Stop] must be called.
func New(dir string) (*Issuer, error) {
	address, err := freeport.Address()
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	return NewAt(dir, address)
}

// NewAt is New at a loopback address of this machine.
func NewAt(dir, address string) (*Issuer, error) {
	config, ca, err := newTLS()
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	i := &Issuer{
		address:  address,
		caFile:   filepath.Join(dir, "issuer-ca.crt"),
		tls:      config,
		handlers: map[string]http.Handler{},
		requests: map[string]int{},
	}
	if err := os.WriteFile(i.caFile, ca, 0o600); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if _, err := i.AddKey(jose.RS256); err != nil {
		return nil, err
	}
	if err := i.Start(); err != nil {
		return nil, err
	}
	i.metadata = map[string]any{
		"issuer":                                i.URL(),
		"jwks_uri":                              i.URL() + PathKeys,
		"authorization_endpoint":                i.URL() + "/authorize",
		"token_endpoint":                        i.URL() + "/token",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256", "ES256"},
	}
	return i, nil
}

// URL is the issuer's identifier.
func (i *Issuer) URL() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return "https://" + i.address
}

// CAFile is the path of the CA certificate, in PEM, that vouches for the issuer.
func (i *Issuer) CAFile() string { return i.caFile }

// Start makes the issuer listen again after [Issuer.Stop], at the same address.
func (i *Issuer) Start() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.server != nil {
		return nil
	}
	l, err := net.Listen("tcp", i.address)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	i.address = l.Addr().String()
	s := &http.Server{
		Handler:           http.HandlerFunc(i.serve),
		TLSConfig:         i.tls.Clone(),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(discard{}, "", 0), // tests make clients that do not trust us
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.ServeTLS(l, "", "")
	}()
	i.server, i.served = s, served
	return nil
}

// Stop makes the issuer unreachable: connections are refused, and those that there
// are are closed. It does not wait for requests that are being answered.
func (i *Issuer) Stop() {
	i.mu.Lock()
	s, served := i.server, i.served
	i.server = nil
	i.mu.Unlock()
	if s == nil {
		return
	}
	_ = s.Close()
	<-served
}

// Fail makes the issuer answer all requests with an HTTP status; 0 ends that.
func (i *Issuer) Fail(status int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status = status
}

// Handle serves a path with h instead of the issuer's own answer.
func (i *Issuer) Handle(path string, h http.Handler) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handlers[path] = h
}

// SetMetadata sets a field of the discovery document; a nil value removes it.
func (i *Issuer) SetMetadata(field string, value any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.metadata[field] = value; value == nil {
		delete(i.metadata, field)
	}
}

// Requests returns how many requests there have been for a path.
func (i *Issuer) Requests(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests[path]
}

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	h, status := i.route(r.URL.Path)
	switch {
	case status != 0:
		http.Error(w, http.StatusText(status), status)
	case h != nil:
		h.ServeHTTP(w, r)
	case r.URL.Path == PathDiscovery:
		i.writeJSON(w, func() any { return i.metadata })
	case r.URL.Path == PathKeys:
		i.writeJSON(w, func() any { return i.published() })
	default:
		http.NotFound(w, r)
	}
}

func (i *Issuer) route(path string) (h http.Handler, status int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.requests[path]++
	return i.handlers[path], i.status
}

// writeJSON answers with what of returns while mu is held.
func (i *Issuer) writeJSON(w http.ResponseWriter, of func() any) {
	i.mu.Lock()
	b, err := json.Marshal(of())
	i.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
