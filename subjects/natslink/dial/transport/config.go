package transport

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Config says how connections to a broker are made. Its zero value is for servers with
// certificates of public CAs. Files are PEM, but for HeaderFile.
type Config struct {
	// CAFile holds the CAs that verify the server: instead of the system's, or with
	// AddSystemCAs besides them. "": the system's alone.
	CAFile       string
	AddSystemCAs bool
	// CertFile and KeyFile are the client certificate for a server that asks for one,
	// or for a web server in front of it; both or none.
	CertFile, KeyFile string
	// ServerName is the name that the server's certificate must have, and that is sent
	// as SNI. "": the host of its URL.
	ServerName string
	// Headers are sent with a WebSocket handshake, each as "Name: value". Host
	// may be one of them. Those of HeaderFile, one a line, are sent besides.
	Headers    []string
	HeaderFile string
	// Insecure permits ws:// and nats:// to other machines.
	Insecure bool
	// Prefix begins the names of the flags in errors: "" for those of agents, "broker-"
	// for those of bridges.
	Prefix string
}

// Validate checks what can be checked without files, for these servers. The error names
// the flag.
func (c *Config) Validate(servers []*url.URL) error {
	if (c.CertFile == "") != (c.KeyFile == "") {
		return fmt.Errorf("%[1]sclient-cert and %[1]sclient-key: give both or none", c.Prefix)
	}
	if c.AddSystemCAs && c.CAFile == "" {
		return fmt.Errorf("%[1]sca-add-system: only means something with %[1]sca", c.Prefix)
	}
	if (len(c.Headers) > 0 || c.HeaderFile != "") && !slices.ContainsFunc(servers, func(u *url.URL) bool { return u.Scheme == "wss" || u.Scheme == "ws" }) {
		return fmt.Errorf("%[1]sheader and %[1]sheader-file: only mean something for a server with wss://", c.Prefix)
	}
	if _, err := parseHeaders(c.Prefix, c.Headers); err != nil {
		return fmt.Errorf("%sheader: %w", c.Prefix, err)
	}
	return nil
}

// Source keeps the files of a [Config] at hand. It is safe for concurrent use.
type Source struct {
	cfg Config
	log *slog.Logger

	mu     sync.Mutex // guards the rest: nil until a file could be read
	cas    *reload.CertPool
	pair   *reload.KeyPair
	header *reload.File[http.Header]
}

// Open returns the source of a configuration that is valid. It reads no file. A nil log
// discards.
func Open(cfg Config, log *slog.Logger) *Source { return &Source{cfg: cfg, log: log} }

// TLS returns the configuration for a connection that is made now. The error is a
// [cause.Failure].
func (s *Source) TLS() (*tls.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.cfg.ServerName}
	var err error
	if config.RootCAs, err = s.roots(); err != nil {
		return nil, s.unusable(cause.TLS, "ca", s.cfg.CAFile, err)
	}
	if s.cfg.CertFile == "" {
		return config, nil
	}
	if s.pair == nil {
		if s.pair, err = reload.LoadKeyPair(s.cfg.CertFile, s.cfg.KeyFile, s.log); err != nil {
			s.pair = nil
			return nil, s.unusable(cause.TLS, "client-cert", s.cfg.CertFile, err)
		}
	}
	pair := s.pair
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.Certificate(), nil }
	return config, nil
}

// roots returns the CAs, nil for the system's. The caller holds mu.
func (s *Source) roots() (*x509.CertPool, error) {
	if s.cfg.CAFile == "" {
		return nil, nil
	}
	if s.cas == nil {
		cas, err := reload.LoadCertPool(s.cfg.CAFile, s.log)
		if err != nil {
			return nil, err
		}
		s.cas = cas
	}
	given := s.cas.Pool() // polls the file
	if !s.cfg.AddSystemCAs {
		return given, nil
	}
	all, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the system's CAs: %w", err)
	}
	all.AppendCertsFromPEM(s.cas.PEM())
	return all, nil
}

// Files are the files of certificates that could be read so far, by the names of the
// flags.
func (s *Source) Files() []reload.Followed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(s.cas.Followed(s.cfg.Prefix+"ca"), s.pair.Followed(s.cfg.Prefix+"client-cert")...)
}

// ClientCertificate returns the file of the client certificate and the end of the one that
// was read last; "" where none is given or could be read so far.
func (s *Source) ClientCertificate() (file string, end time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pair == nil {
		return "", time.Time{}
	}
	return s.cfg.CertFile, s.pair.Certificate().Leaf.NotAfter
}

// Header returns the headers for a WebSocket handshake that is made now; nil: none.
// The error is a [cause.Failure].
func (s *Source) Header() (http.Header, error) {
	all, _ := parseHeaders(s.cfg.Prefix, s.cfg.Headers) // valid: see Open
	if s.cfg.HeaderFile == "" {
		return all, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.header == nil {
		file, err := reload.Open("headers", s.cfg.HeaderFile, s.log, func(content []byte) (http.Header, error) { return parseHeaderFile(s.cfg.Prefix, content) })
		if err != nil {
			return nil, s.unusable(cause.HTTPUpgrade, "header-file", s.cfg.HeaderFile, err)
		}
		s.header = file
	}
	for name, values := range s.header.Get() {
		all[name] = append(all[name], values...)
	}
	return all, nil
}

func (s *Source) unusable(hop cause.Hop, flag, file string, err error) error {
	return &cause.Failure{Hop: hop, Cause: cause.LocalFile, Tried: "read " + cause.Plain(file), Got: cause.Plain(s.cfg.Prefix + flag + ": " + err.Error()), Err: err}
}
