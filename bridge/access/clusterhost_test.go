package access

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestHostsOfClusters: every host below the domain is a cluster's, in every spelling
// that HTTP and DNS allow, and no other host is.
func TestHostsOfClusters(t *testing.T) {
	d, err := ParseClusterDomain("K8s.Example.com.")
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"prod.acme.k8s.example.com":          "prod.acme",
		"prod.k8s.example.com":               "prod",
		"prod.acme.k8s.example.com:8443":     "prod.acme",
		"PROD.Acme.K8S.EXAMPLE.COM":          "prod.acme",
		"prod.acme.k8s.example.com.":         "prod.acme",
		"prod.acme.k8s.example.com.:443":     "prod.acme",
		"a.b.c.k8s.example.com":              "a.b.c", // no good name, but never the platform's
		".k8s.example.com":                   "",      // likewise
		"prod..k8s.example.com":              "prod.",
		"xn--80ak6aa92e.k8s.example.com":     "xn--80ak6aa92e",
		"prod.acme.k8s.example.com:notaport": "prod.acme",
	} {
		if got, ok := d.Cluster(host); !ok || got != want {
			t.Errorf("%q: %q, %v, want cluster %q", host, got, ok, want)
		}
	}
	for _, host := range []string{
		"k8s.example.com", "k8s.example.com.", "example.com", "fairlead.example.com", "evilk8s.example.com", "k8s.example.com.evil",
		"prod.k8s.example.com.evil.net", "", ":8443", "[::1]:8443", "[::1]", "127.0.0.1:8443", "prod.k8s.example.org",
		"prod.k8s.example.com..", "prod.k8s.example.com:1:2", "prod.k8s.example.com/x", "prod.k8s.example.com@evil",
	} {
		if got, ok := d.Cluster(host); ok {
			t.Errorf("%q is taken for the host of cluster %q", host, got)
		}
	}
	if _, ok := ClusterDomain("").Cluster("prod.k8s.example.com"); ok {
		t.Error("a host of a cluster without a domain")
	}
	for ref, want := range map[subjects.ClusterRef]string{
		{Tenant: "acme", Cluster: "prod"}:                 "prod.acme.k8s.example.com",
		{Tenant: subjects.DefaultTenant, Cluster: "prod"}: "prod.k8s.example.com",
	} {
		if got := d.Host(ref); got != want {
			t.Errorf("host of %s: %s", ref, got)
		}
		if name, ok := d.Cluster(d.Host(ref)); !ok || name != ref.String() {
			t.Errorf("%s: does not come back from its host: %q", ref, name)
		}
	}
}

func TestParseClusterDomain(t *testing.T) {
	for s, ok := range map[string]bool{
		"k8s.example.com": true, "localhost": true, "": false, ".": false, "*.k8s.example.com": false, "k8s..com": false,
		"https://k8s.example.com": false, "k8s.example.com:443": false, "10.0.0.1": false, "-a.com": false, "a b": false,
		strings.Repeat("a.", 62) + "a": true, strings.Repeat("a.", 63) + "a": false,
	} {
		if _, err := ParseClusterDomain(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzClusterHost(f *testing.F) {
	f.Add("prod.acme.k8s.example.com:8443")
	f.Add("k8s.example.com")
	const d = ClusterDomain("k8s.example.com")
	f.Fuzz(func(t *testing.T, host string) {
		name, ok := d.Cluster(host)
		if !ok {
			return
		}
		if name != strings.ToLower(name) {
			t.Errorf("%q: name %q is not in lower case", host, name)
		}
		if again, ok := d.Cluster(name + "." + string(d)); !ok || again != name {
			t.Errorf("%q: cluster %q is not that of its own host: %q", host, name, again)
		}
	})
}
