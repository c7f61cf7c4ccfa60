package keys

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
)

func TestServerCertificate(t *testing.T) {
	l, err := Init(InitOptions{Dir: t.TempDir(), Hosts: []string{"*.nats.example.com", "nats.example.com", "10.0.0.7"}})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(l.ServerCertFile(), l.ServerKeyFile())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "a.nats.example.com", "nats.example.com", "10.0.0.7"} {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{
			DNSName: host, Roots: roots(t, l),
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		if err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if url := (InitOptions{Hosts: []string{"*.nats.example.com", "nats.example.com"}}).BrokerURL(); url != "tls://nats.example.com:4222" {
		t.Errorf("agents are told %s", url)
	}
}

func TestRenewServerCertificate(t *testing.T) {
	l, err := Init(InitOptions{Dir: t.TempDir(), Hosts: []string{"*.nats.example.com", "10.0.0.7"}})
	if err != nil {
		t.Fatal(err)
	}
	before, err := readCertificate(l.ServerCertFile())
	if err != nil {
		t.Fatal(err)
	}
	expect := func(what string, renewed *x509.Certificate, hosts ...string) {
		t.Helper()
		pair, err := tls.LoadX509KeyPair(l.ServerCertFile(), l.ServerKeyFile())
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if !pair.Leaf.Equal(renewed) || renewed.Equal(before) {
			t.Errorf("%s: the file does not hold the new certificate", what)
		}
		if n := len(renewed.DNSNames) + len(renewed.IPAddresses); n != len(hosts) {
			t.Errorf("%s: valid for %v and %v, want %v", what, renewed.DNSNames, renewed.IPAddresses, hosts)
		}
		for _, h := range hosts {
			if _, err := renewed.Verify(x509.VerifyOptions{DNSName: h, Roots: roots(t, l)}); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	same, err := l.RenewServerCertificate()
	if err != nil {
		t.Fatal(err)
	}
	expect("for the same hosts", same, "localhost", "127.0.0.1", "::1", "a.nats.example.com", "10.0.0.7")
	other, err := l.IssueServerCertificate("broker.example.com", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	expect("for others", other, "localhost", "127.0.0.1", "::1", "broker.example.com")

	if _, err := l.IssueServerCertificate("https://x"); err == nil || !strings.Contains(err.Error(), "host") {
		t.Errorf("a host that is none: %v", err)
	}
	bought, err := os.ReadFile(newLayout(t).ServerCertFile())
	if err != nil {
		t.Fatal(err)
	}
	write(t, l.ServerCertFile(), string(bought))
	if _, err := l.RenewServerCertificate(); err == nil || !strings.Contains(err.Error(), "not of the private CA") {
		t.Errorf("somebody else's certificate: %v", err)
	}
	remove(t, l.caKeyFile()) // in a safe, as init advises
	if _, err := l.IssueServerCertificate(); err == nil || !strings.Contains(err.Error(), "ca.key") {
		t.Errorf("without the CA's key: %v", err)
	}
}
