package keys

import (
	"os"
	"strings"
	"testing"
)

func TestNATSConfigOfLayoutWithoutAccount(t *testing.T) {
	l := newLayout(t)
	if err := os.Remove(l.AccountFile(mustAccount(t, l, "acme"))); err != nil {
		t.Fatal(err)
	}
	if _, err := l.NATSConfig(); err == nil || !strings.Contains(err.Error(), "account acme") {
		t.Errorf("error %v, want one that names the account", err)
	}
}
