package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Lifetimes. The authority lives as long as the volume does; certificates
// that it signs are made again at each start.
const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime      = 365 * 24 * time.Hour
	clockSkew         = time.Hour // how far another container's clock may be behind
)

// pair is a certificate and its key, in PEM.
type pair struct{ cert, key []byte }

// identities are the certificates of a start.
type identities struct {
	authority pair
	admin     pair // may do everything; never leaves this process
}

// loadIdentities keeps the authority and the key that signs service account tokens,
// below dir/pki, and makes them if they are missing. Everything else is new.
func loadIdentities(dir string) (*identities, error) {
	folder := filepath.Join(dir, "pki")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	authority, err := keep(folder, "ca", newAuthority)
	if err != nil {
		return nil, err
	}
	if _, err := keep(folder, "tokens", newTokenKey); err != nil {
		return nil, err
	}
	ca, err := tls.X509KeyPair(authority.cert, authority.key)
	if err != nil {
		return nil, fmt.Errorf("certificates: the authority in %s: %w", folder, err)
	}
	server, err := issue(ca, &x509.Certificate{
		Subject:  pkix.Name{CommonName: "kube-apiserver"},
		DNSNames: []string{serverName, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		// The second is the first of the service range, which clusters reserve
		// for the API server.
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return nil, err
	}
	manager, err := issueClient(ca, "system:kube-controller-manager")
	if err != nil {
		return nil, err
	}
	admin, err := issueClient(ca, "privatecluster", "system:masters")
	if err != nil {
		return nil, err
	}
	for name, p := range map[string]pair{"apiserver": server, "controller-manager": manager} {
		if err := p.write(folder, name); err != nil {
			return nil, err
		}
	}
	return &identities{authority: authority, admin: admin}, nil
}

// keep returns the pair of that name, made and written if there is none.
func keep(folder, name string, make func() (pair, error)) (pair, error) {
	// The key is written first, so that a pair with a certificate is whole.
	cert, err := os.ReadFile(filepath.Join(folder, name+".crt"))
	if err == nil {
		key, err := os.ReadFile(filepath.Join(folder, name+".key"))
		if err != nil {
			return pair{}, fmt.Errorf("certificates: %w", err)
		}
		return pair{cert, key}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return pair{}, fmt.Errorf("certificates: %w", err)
	}
	p, err := make()
	if err != nil {
		return pair{}, err
	}
	return p, p.write(folder, name)
}

func (p pair) write(folder, name string) error {
	if err := writeFile(filepath.Join(folder, name+".key"), p.key); err != nil {
		return err
	}
	return writeFile(filepath.Join(folder, name+".crt"), p.cert)
}

func newAuthority() (pair, error) {
	return sign(tls.Certificate{}, &x509.Certificate{
		Subject:               pkix.Name{CommonName: "private cluster CA"},
		NotAfter:              time.Now().Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	})
}

// newTokenKey makes the key pair of service account tokens; its certificate is
// a bare public key.
func newTokenKey() (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, fmt.Errorf("token key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return pair{}, fmt.Errorf("token key: %w", err)
	}
	private, err := encodeKey(key)
	return pair{pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), private}, err
}

func issueClient(ca tls.Certificate, user string, groups ...string) (pair, error) {
	return issue(ca, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func issue(ca tls.Certificate, template *x509.Certificate) (pair, error) {
	template.NotAfter = time.Now().Add(leafLifetime)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	return sign(ca, template)
}

// sign makes a key and a certificate for it; without a CA it signs itself.
func sign(ca tls.Certificate, template *x509.Certificate) (pair, error) {
	name := template.Subject.CommonName
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, fmt.Errorf("certificate of %s: %w", name, err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return pair{}, fmt.Errorf("certificate of %s: %w", name, err)
	}
	template.NotBefore = time.Now().Add(-clockSkew)
	parent, signer := ca.Leaf, ca.PrivateKey
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return pair{}, fmt.Errorf("certificate of %s: %w", name, err)
	}
	private, err := encodeKey(key)
	return pair{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), private}, err
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// writeFile replaces a file in one step, since another process may be reading it.
func writeFile(name string, content []byte) error {
	next := name + ".new"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(next, name); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
