package nearest

import (
	"strings"
	"testing"
)

func TestName(t *testing.T) {
	known := []string{"name", "issuer", "audiences", "requests", "readOnly", "secrets", "exec", "as", "when"}
	for name, want := range map[string]string{
		"nam": "name", "audience": "audiences", "Audiences": "audiences", "readonly": "readOnly", "secret": "secrets",
		"isuser": "issuer", "request": "requests", "wehn": "when", "req": "requests", "issuers": "issuer", "exe": "exec",
		"roles": "", "": "", "x": "", "cluster": "", strings.Repeat("n", 100): "", "an": "", "AS": "as", "namespaces": "",
	} {
		if got := Name(name, known); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := Name("prod", []string{"prob", "prod2"}); got != "prob" {
		t.Errorf("of equally near names: %q", got)
	}
}
