package plane

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/fairlead-io/fairlead/test/kube/slot"
)

func TestPrepareMakesAPKIThatHoldsTogether(t *testing.T) {
	l := Layout{Dir: t.TempDir(), Slot: slot.Slot{Number: 5}, NodeName: "n"}
	stale := filepath.Join(l.Dir, "etcd", "old")
	if err := os.MkdirAll(stale, 0o700); err != nil {
		t.Fatal(err)
	}
	ca, admin, err := l.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("an earlier cluster's data is still there: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.Cert)
	verify := func(name, host string, usage x509.ExtKeyUsage) {
		t.Helper()
		data, err := os.ReadFile(l.PKI(name + ".crt"))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		_, err = cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, KeyUsages: []x509.ExtKeyUsage{usage}})
		if err != nil {
			t.Errorf("%s for %q: %v", name, host, err)
		}
	}
	verify("apiserver", "127.0.0.1", x509.ExtKeyUsageServerAuth)
	verify("apiserver", "kubernetes.default.svc", x509.ExtKeyUsageServerAuth)
	verify("apiserver", "10.202.5.1", x509.ExtKeyUsageServerAuth) // the service kubernetes
	verify("apiserver", "10.201.5.1", x509.ExtKeyUsageServerAuth) // its endpoint
	verify("kubelet", l.Slot.NodeIP().String(), x509.ExtKeyUsageServerAuth)
	verify("kubelet", "", x509.ExtKeyUsageClientAuth)
	verify("admin", "", x509.ExtKeyUsageClientAuth)
	if _, err := tls.X509KeyPair(admin.Cert, admin.Key); err != nil {
		t.Errorf("the administrator's key does not fit: %v", err)
	}
	for _, secret := range []string{l.PKI("ca.key"), l.PKI("tokens.key"), l.Kubeconfig("admin")} {
		info, err := os.Stat(secret)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s, want 0600", secret, info.Mode())
		}
	}
}
