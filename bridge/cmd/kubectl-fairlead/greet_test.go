package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A login asks the bridge for the name by which it knows the user.
func TestLoginAsksTheBridge(t *testing.T) {
	r, b := newBridgeRig(t)
	b.asked = nil
	_, stderr := r.must("login")
	if want := "\nLogged in to " + r.bridge.URL + " as idp:alice.\n"; !strings.HasSuffix(stderr, want) || len(b.asked) != 1 {
		t.Errorf("wrote %q, want %q; asked %q", stderr, want, b.asked)
	}
	// The refusal is told, and the login is kept.
	b.refuse = true
	before := r.session().IDToken
	r.fails([]string{"login"}, "the issuer logged you in as alice, but the bridge does not accept its token: the token is unknown (401 unauthorized")
	if r.session().IDToken == before {
		t.Error("the login was not kept")
	}
	// A bridge that is away may come back.
	r.bridge.Close()
	_, stderr = r.must("login")
	if !strings.Contains(stderr, "warning: the bridge did not confirm the login: ask the bridge: ") || !strings.Contains(stderr, "connection refused") ||
		!strings.Contains(stderr, "as alice.") {
		t.Errorf("wrote %q", stderr)
	}
	r.noSecret(stderr)
}

// The files with CAs are read before the browser is opened.
func TestLoginChecksCAs(t *testing.T) {
	r := newRig(t, nil)
	r.plugin.open = func(string) error { t.Error("the browser was opened"); return nil }
	missing, empty := filepath.Join(r.home, "missing"), filepath.Join(r.home, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.fails(append(r.loginFlags(), "--bridge-ca", missing), "--bridge-ca: CA certificates: open "+missing)
	r.fails(append(r.loginFlags(), "--bridge-ca", empty), "--bridge-ca: CA certificates: "+empty+" has no certificate in PEM")
	r.fails(append(r.loginFlags(), "--ca", missing), "--ca: CA certificates: open "+missing)
	r.fails(append(r.loginFlags(), "--ca", ""), "issuer "+r.issuer.URL(), "if its CA is your organisation's own, log in with --ca FILE")
}

// A bridge whose certificate is not trusted is a warning, which names the flag.
func TestLoginToAnUntrustedBridge(t *testing.T) {
	r := newRig(t, http.NotFoundHandler())
	_, stderr := r.must("login", "--issuer", r.issuer.URL(), "--client-id", clientID, "--ca", r.issuer.CAFile())
	if !strings.Contains(stderr, "log in again with --bridge-ca FILE") {
		t.Errorf("wrote %q", stderr)
	}
}

// A cluster without its tenant is no cluster of the user's: the right name is proposed.
func TestUseProposesClusters(t *testing.T) {
	r, _ := newBridgeRig(t)
	r.fails([]string{"use", "prod"}, "no grant (403 forbidden", "; did you mean prod.acme?")
	r.fails([]string{"use", "nowhere"}, "no grant (403 forbidden", "; kubectl fairlead clusters lists those that you may use")
}

// The namespace of a context can be set, and stays.
func TestUseNamespace(t *testing.T) {
	r, _ := newBridgeRig(t)
	for _, args := range [][]string{{"use", "prod.acme", "-n", "shop"}, {"use", "prod.acme"}} {
		r.must(args...)
		c := r.config(os.Getenv("KUBECONFIG"))
		if got := c.Contexts[c.CurrentContext].Namespace; got != "shop" {
			t.Errorf("%q: namespace %q", args, got)
		}
	}
}
