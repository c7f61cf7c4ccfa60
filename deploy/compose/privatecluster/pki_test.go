package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAuthorityStays: a new container signs with the same authority, so that the files
// of agents still verify.
func TestAuthorityStays(t *testing.T) {
	dir := t.TempDir()
	first, err := loadIdentities(dir)
	if err != nil {
		t.Fatal(err)
	}
	tokens := read(t, dir, "tokens.key")
	second, err := loadIdentities(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.authority.cert, second.authority.cert) || !bytes.Equal(tokens, read(t, dir, "tokens.key")) {
		t.Error("authority and token key have changed after a restart")
	}
	if bytes.Equal(first.admin.cert, second.admin.cert) {
		t.Error("the administrator's certificate, which ends after a year, is the same after a restart")
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(first.authority.cert)
	block, _ := pem.Decode(read(t, dir, "apiserver.crt"))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{serverName, "localhost", "127.0.0.1"} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("API server as %s: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "pki", "admin.key")); err == nil {
		t.Error("the administrator's key is in a file")
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "pki", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestOnlyTheAPIServerIsOpen to other containers.
func TestOnlyTheAPIServerIsOpen(t *testing.T) {
	for _, c := range components("/d") {
		open := slices.ContainsFunc(c.flags, func(f string) bool { return strings.Contains(f, "0.0.0.0") })
		if open != (c.name == "kube-apiserver") {
			t.Errorf("%s is open: %v", c.name, open)
		}
	}
}
