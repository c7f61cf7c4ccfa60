package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func TestShow(t *testing.T) {
	keys := t.TempDir()
	if err := initialize(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	if err := write(filepath.Join(keys, "creds", "prod.acme.creds"), "of acme"); err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []string{defaultTenant, "acme"} {
		var out bytes.Buffer
		want := map[string]string{defaultTenant: "content of creds/prod.default.creds", "acme": "of acme"}[tenant]
		if err := printCreds(keys, tenant, "prod", &out); err != nil || out.String() != want {
			t.Errorf("creds of %s: %q, %v; want %q", tenant, out.String(), err, want)
		}
	}
	var out bytes.Buffer
	if err := printCA(keys, &out); err != nil || out.String() != "content of tls/ca.crt" {
		t.Errorf("ca: %q, %v", out.String(), err)
	}
}

// TestShowNothingElse: no name leads to a file other than credentials, and nothing is
// printed that could be taken for them.
func TestShowNothingElse(t *testing.T) {
	keys := t.TempDir()
	if err := initialize(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	if err := write(filepath.Join(keys, "guard.default.creds"), "the guard's"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ cluster, tenant, want string }{
		{"stage", defaultTenant, "admin cluster add"},
		{"../guard", defaultTenant, "is not a name"},
		{"prod", "../default", "is not a name"},
		{"prod.default", defaultTenant, "is not a name"},
		{"", "", "is not a name"},
		{"prod\n", defaultTenant, "is not a name"},
	} {
		var out bytes.Buffer
		if err := printCreds(keys, c.tenant, c.cluster, &out); err == nil || !strings.Contains(err.Error(), c.want) || out.Len() > 0 {
			t.Errorf("creds %q %q: printed %q, %v; want nothing and %q", c.cluster, c.tenant, out.String(), err, c.want)
		}
	}
}
