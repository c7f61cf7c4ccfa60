package reload

import (
	"crypto/x509"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// TestCertificatesAreTold: what operators are told of the certificates of files, of those
// in use, and without looking at the files.
func TestCertificatesAreTold(t *testing.T) {
	root := testca.New(t, "root")
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	old, between := root.Intermediate("between", soon.Add(-time.Minute)), root.Intermediate("between", soon)
	roots, err := LoadCertPool(testca.WriteFile(t, root, old, between), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range roots.Status().Certificates {
		names = append(names, fmt.Sprintf("%s %v", c.Subject, c.CA))
	}
	if got := fmt.Sprint(names); got != "[between true root true]" {
		t.Errorf("a bundle has %v: want each subject once, the first to expire first", names)
	}
	if got := roots.Status().Certificates[0]; !got.NotAfter.Equal(soon) || !got.NotBefore.Before(time.Now()) {
		t.Errorf("of two with one subject it tells %v", got)
	}
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	issue(t, between, "server", cert, key)
	pair, err := LoadKeyPair(cert, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	own := pair.Status().Certificates
	if len(own) == 0 || own[0].CA || own[0].Subject != "server" || !own[0].NotAfter.Equal(pair.Certificate().Leaf.NotAfter) {
		t.Errorf("a pair has %+v", own)
	}
	many := make([]*x509.Certificate, 0, 200)
	for i := range cap(many) {
		c := *pair.Certificate().Leaf
		c.Subject.CommonName = fmt.Sprintf("%0200d", i)[100:] + "\xff"
		c.NotAfter = soon.Add(time.Duration(-i) * time.Second)
		many = append(many, &c)
	}
	if all := Summarize(nil, many); len(all) != maxCertificates || !all[0].NotAfter.Equal(many[199].NotAfter) || len(all[0].Subject) > maxSubject {
		t.Errorf("of many: %d, the first is %+v", len(all), all[0])
	}
	if c := (*CertPool)(nil).Followed("x"); c != nil {
		t.Errorf("no set is followed: %v", c)
	}
	if k := (*KeyPair)(nil).Followed("x"); k != nil {
		t.Errorf("no pair is followed: %v", k)
	}
}
