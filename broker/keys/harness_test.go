package keys

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/jwt/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// someKey stands for a public key where none is looked at.
const someKey = "AAAA"

func newLayout(t *testing.T) *Layout {
	t.Helper()
	l, err := Init(InitOptions{Dir: filepath.Join(t.TempDir(), "d"), Tenant: "acme", Cluster: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustOperator(t *testing.T, l *Layout) *jwt.OperatorClaims {
	t.Helper()
	op, err := l.Operator()
	if err != nil {
		t.Fatal(err)
	}
	return op
}

func mustAccount(t *testing.T, l *Layout, tenant string) string {
	t.Helper()
	account, err := l.account(tenant)
	if err != nil {
		t.Fatal(err)
	}
	return account
}

func roots(t *testing.T, l *Layout) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(l.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in ca.crt")
	}
	return pool
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}
