package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// reloadInterval is the least time between two looks at a file: a handshake
// then costs a system call at most once a second.
const reloadInterval = time.Second

// KeyPair is a certificate and its key, in PEM files that are read again after
// they change (looked at during handshakes, at most once a second). A changed
// file that cannot be used is logged once and the old pair stays in use. That
// a certificate is about to expire is logged when it is read and every day.
type KeyPair struct {
	watch  watched
	cert   *tls.Certificate // guarded by watch.mu
	expiry expiryNotice     // guarded by watch.mu
	read   func() (*tls.Certificate, error)
}

// LoadKeyPair reads the pair; it must be good to begin with.
func LoadKeyPair(certFile, keyFile string, log *slog.Logger) (*KeyPair, error) {
	k := &KeyPair{
		watch: watched{log: log, what: "certificate", files: []string{certFile, keyFile}},
		read: func() (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(certFile, keyFile)
			if err != nil {
				return nil, fmt.Errorf("certificate %s with key %s: %w", certFile, keyFile, err)
			}
			return &cert, nil
		},
	}
	k.watch.stamp() // before reading: a change in between is seen as one
	cert, err := k.read()
	if err != nil {
		return nil, err
	}
	k.cert = cert
	k.expiry = expiryNotice{log: log, file: certFile}
	k.expiry.look(cert.Leaf)
	return k, nil
}

// Certificate returns the current pair. It never fails: see [KeyPair].
func (k *KeyPair) Certificate() *tls.Certificate {
	k.watch.mu.Lock()
	defer k.watch.mu.Unlock()
	k.watch.refresh(func() error {
		cert, err := k.read()
		if err == nil {
			k.cert = cert
			k.expiry.said = time.Time{}
		}
		return err
	})
	k.expiry.look(k.cert.Leaf)
	return k.cert
}

// CertPool is a set of CA certificates, in a PEM file that is read again as a
// [KeyPair] is.
type CertPool struct {
	watch watched
	pool  *x509.CertPool // guarded by watch.mu
	file  string
}

// LoadCertPool reads the set; it must be good to begin with.
func LoadCertPool(file string, log *slog.Logger) (*CertPool, error) {
	p := &CertPool{file: file, watch: watched{log: log, what: "CA certificates", files: []string{file}}}
	p.watch.stamp()
	pool, err := readPool(file)
	if err != nil {
		return nil, err
	}
	p.pool = pool
	return p, nil
}

// Pool returns the current set. It never fails: see [KeyPair].
func (p *CertPool) Pool() *x509.CertPool {
	p.watch.mu.Lock()
	defer p.watch.mu.Unlock()
	p.watch.refresh(func() error {
		pool, err := readPool(p.file)
		if err == nil {
			p.pool = pool
		}
		return err
	})
	return p.pool
}

// readPool is stricter than AppendCertsFromPEM, which skips what it cannot
// read: half a bundle would refuse connections for no visible reason.
func readPool(file string) (*x509.CertPool, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("CA certificates: %w", err)
	}
	pool, n := x509.NewCertPool(), 0
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("CA certificates: %s: holds a PEM block %q", file, block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("CA certificates: %s: certificate %d: %w", file, n+1, err)
		}
		pool.AddCert(cert)
		n++
	}
	if n == 0 {
		return nil, fmt.Errorf("CA certificates: %s: no PEM certificate in it", file)
	}
	return pool, nil
}

// ServerTLS returns the configuration of a listener that presents pair. With
// clients not nil a client may present a certificate, which must then verify
// against it; whether one is needed is for the caller to decide per request.
func ServerTLS(pair *KeyPair, clients *CertPool) *tls.Config {
	c := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.Certificate(), nil },
	}
	if clients == nil {
		return c
	}
	c.ClientAuth = tls.VerifyClientCertIfGiven
	c.ClientCAs = clients.Pool()
	// The set may change, so each handshake has its own copy. The copy is made
	// of c as it is then, so that what the caller set later (NextProtos) holds.
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		current := c.Clone()
		current.ClientCAs = clients.Pool()
		current.GetConfigForClient = nil
		return current, nil
	}
	return c
}

// ClientTLS returns the configuration for dialling a server whose certificate
// must verify against roots (nil: the system's); pair, if not nil, is
// presented when the server asks for a certificate.
//
// RootCAs is the set as it is now, since crypto/tls has no hook for it: who
// dials again and again calls ClientTLS for each dial, or passes
// [CertPool.RootCAs] to where nats.go asks for a callback.
func ClientTLS(roots *CertPool, pair *KeyPair) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if roots != nil {
		c.RootCAs = roots.Pool()
	}
	if pair != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return pair.Certificate(), nil
		}
	}
	return c
}

// RootCAs is [CertPool.Pool] in the form of nats.RootCAsHandler.
func (p *CertPool) RootCAs() (*x509.CertPool, error) { return p.Pool(), nil }

// watched decides when files are read again. Its mutex guards the owner's
// value too; reading a small file under it delays handshakes that would need
// the outcome anyway.
type watched struct {
	log   *slog.Logger
	what  string
	files []string

	mu     sync.Mutex
	looked time.Time
	stamps []fileStamp
}

// fileStamp changes when a file is written or, as Kubernetes does with mounted
// secrets, a link on its path is moved.
type fileStamp struct {
	modified time.Time
	size     int64
	missing  bool
}

func (w *watched) refresh(read func() error) {
	if time.Since(w.looked) < reloadInterval || !w.stamp() {
		return
	}
	if err := read(); err != nil {
		w.log.Error("changed "+w.what+" cannot be used, the old one stays", "error", err)
		return
	}
	w.log.Info("read changed "+w.what, "file", w.files[0])
}

// stamp looks at the files and reports whether one has changed.
func (w *watched) stamp() (changed bool) {
	w.looked = time.Now()
	now := make([]fileStamp, len(w.files))
	for i, file := range w.files {
		info, err := os.Stat(file)
		if errors.Is(err, os.ErrNotExist) {
			now[i].missing = true
		} else if err == nil {
			now[i] = fileStamp{modified: info.ModTime(), size: info.Size()}
		}
		changed = changed || len(w.stamps) == 0 || now[i] != w.stamps[i]
	}
	w.stamps = now
	return changed
}
