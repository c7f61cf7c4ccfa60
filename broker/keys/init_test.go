package keys

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"go.yaml.in/yaml/v3"
)

func TestInitReadsBack(t *testing.T) {
	l := newLayout(t)
	op := mustOperator(t, l)
	account, err := ReadAccount(l.AccountFile(mustAccount(t, l, "acme")))
	if err != nil {
		t.Fatal(err)
	}
	system, err := ReadAccount(l.SystemFile())
	if err != nil {
		t.Fatal(err)
	}
	user, err := ReadCreds(l.CredsFile("acme", "prod"))
	if err != nil {
		t.Fatal(err)
	}
	// Each is signed by the one above it, and each key file holds the key that
	// a JWT names.
	for file, want := range map[string]string{
		"operator.nk":             op.Subject,
		"operator-signing.nk":     account.Issuer,
		"system.nk":               system.Subject,
		"system-signing.nk":       system.SigningKeys.Keys()[0],
		"tenants/acme/account.nk": account.Subject,
		"tenants/acme/agent.nk":   user.Issuer,
	} {
		pair, err := ReadKey(l.KeyFile(filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		if public, _ := pair.PublicKey(); public != want {
			t.Errorf("%s is the key of %s, want %s", file, public, want)
		}
	}
	if op.Issuer != op.Subject || !op.DidSign(account) || !op.DidSign(system) || !account.DidSign(user) {
		t.Error("the chain of signatures is broken")
	}
	if op.SystemAccount != system.Subject || user.IssuerAccount != account.Subject || user.Name != "prod" {
		t.Error("names do not fit")
	}
	for _, claims := range []jwt.Claims{op, account, system, user} {
		vr := jwt.CreateValidationResults()
		claims.Validate(vr)
		for _, issue := range vr.Issues {
			t.Errorf("%s %s: %s", claims.ClaimType(), claims.Claims().Name, issue.Description)
		}
	}
}

// TestInitShapes holds what nsc's import commands and the bridge rely on.
func TestInitShapes(t *testing.T) {
	l := newLayout(t)
	for _, f := range glob(t, l, "jwt/*.jwt") {
		claims, err := ReadAccount(f)
		if err != nil {
			t.Fatal(err)
		}
		if want := claims.Subject + ".jwt"; filepath.Base(f) != want {
			t.Errorf("%s, want %s", f, want)
		}
	}
	seed := regexp.MustCompile(`\AS[OA][A-Z2-7]{56}\n\z`)
	for _, f := range append(glob(t, l, "keys/*.nk"), glob(t, l, "keys/tenants/*/*.nk")...) {
		if b, err := os.ReadFile(f); err != nil || !seed.Match(b) {
			t.Errorf("%s does not hold a seed and a newline", f)
		}
	}
	var tokens struct {
		Tokens []struct {
			Name, Hash string
			Clusters   []string
		}
	}
	b, err := os.ReadFile(l.TokensFile())
	if err != nil {
		t.Fatal(err)
	}
	// As a user could append it by hand.
	b = append(b, "- name: ci\n  hash: sha256:00\n  clusters: [prod.acme]\n"...)
	if err := yaml.Unmarshal(b, &tokens); err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(l.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.TrimSuffix(string(token), "\n")
	if !regexp.MustCompile(`\Afl_[A-Za-z0-9_-]{43}\z`).MatchString(plain) {
		t.Error("the token is not of its form")
	}
	hash := sha256.Sum256([]byte(plain))
	if len(tokens.Tokens) != 2 || tokens.Tokens[0].Hash != "sha256:"+hex.EncodeToString(hash[:]) || tokens.Tokens[0].Name != "admin" {
		t.Errorf("tokens.yaml holds %+v, which is not the token's hash", tokens)
	}
	for _, f := range []string{"broker.yaml", "bridge.yaml"} {
		b, err := os.ReadFile(filepath.Join(l.Dir(), f))
		if err != nil {
			t.Fatal(err)
		}
		var settings map[string]string
		if err := yaml.Unmarshal(b, &settings); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		for key, value := range settings {
			if key == "public-url" || key == "store-account" {
				continue
			}
			if _, err := os.Stat(filepath.Join(l.Dir(), value)); err != nil {
				t.Errorf("%s: %s: %v", f, key, err)
			}
		}
	}
}

func glob(t *testing.T, l *Layout, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(l.Dir(), filepath.FromSlash(pattern)))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	return files
}

func TestInitModes(t *testing.T) {
	l := newLayout(t)
	public := map[string]bool{
		"operator.jwt": true, "system.jwt": true, "tenants.yaml": true, "broker.yaml": true, "bridge.yaml": true,
		"tls/ca.crt": true, "tls/server.crt": true, "store.account": true,
	}
	err := filepath.WalkDir(l.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(l.Dir(), path)
		want := fs.FileMode(secretMode)
		switch {
		case d.IsDir():
			want = dirMode
		case public[filepath.ToSlash(name)] || strings.HasPrefix(name, "jwt"):
			want = publicMode
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestInitRefuses(t *testing.T) {
	used := t.TempDir()
	write(t, filepath.Join(used, "precious"), "x")
	for _, c := range []struct {
		name string
		o    InitOptions
		want string
	}{
		{"a directory that is not empty", InitOptions{Dir: used}, "not empty (it holds precious)"},
		{"no directory", InitOptions{}, "dir"},
		{"a tenant that is not a DNS label", InitOptions{Dir: filepath.Join(t.TempDir(), "d"), Tenant: "ACME"}, "tenant"},
		{"a cluster that is not a DNS label", InitOptions{Dir: filepath.Join(t.TempDir(), "d"), Cluster: "prod.eu"}, "cluster"},
		{"a host that is none", InitOptions{Dir: filepath.Join(t.TempDir(), "d"), Hosts: []string{"https://x"}}, "host"},
		{"a wildcard that is not a label", InitOptions{Dir: filepath.Join(t.TempDir(), "d"), Hosts: []string{"*"}}, "host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Init(c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			if c.o.Dir != used && c.o.Dir != "" {
				if _, err := os.Stat(c.o.Dir); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("left something behind: %v", err)
				}
			}
		})
	}
	if entries, _ := os.ReadDir(used); len(entries) != 1 {
		t.Errorf("changed a directory that it refused: %v", entries)
	}
}

// TestInitUndo: an init that cannot be finished leaves nothing behind.
func TestInitUndo(t *testing.T) {
	dir := t.TempDir()
	l := At(dir)
	if err := l.newOperator(InitOptions{Operator: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := undo(dir, false); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left %v", entries)
	}
}

// TestClusterDomain: the certificate is for the hosts of the first tenant's
// clusters and of the default tenant's, it stays so when it is renewed, and the
// bridge gets the domain.
func TestClusterDomain(t *testing.T) {
	l, err := Init(InitOptions{Dir: filepath.Join(t.TempDir(), "fl"), Tenant: "acme", Cluster: "prod", ClusterDomain: "k8s.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"made", "renewed"} {
		cert, err := readCertificate(l.ServerCertFile())
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"localhost", "prod.k8s.example.com", "prod.acme.k8s.example.com"} {
			if err := cert.VerifyHostname(host); err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
		if err := cert.VerifyHostname("prod.other.k8s.example.com"); err == nil {
			t.Errorf("%s: the certificate is for another tenant's clusters", when)
		}
		if _, err := l.RenewServerCertificate(); err != nil {
			t.Fatal(err)
		}
	}
	config, err := os.ReadFile(filepath.Join(l.Dir(), "bridge.yaml"))
	if err != nil || !strings.Contains(string(config), "\ncluster-domain: \"k8s.example.com\"\n") {
		t.Errorf("bridge.yaml: %v\n%s", err, config)
	}
	for _, bad := range []string{"*.example.com", "10.0.0.1", "a b", "https://x"} {
		if err := (InitOptions{Dir: "x", ClusterDomain: bad}).Validate(); err == nil || !strings.HasPrefix(err.Error(), "cluster-domain: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
