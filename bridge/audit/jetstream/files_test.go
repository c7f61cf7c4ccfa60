package jetstream

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// credentialsFile writes the credentials of a user named audit.
func credentialsFile(t *testing.T, expires time.Time) string {
	t.Helper()
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, _ := user.PublicKey()
	seed, _ := user.Seed()
	claims := jwt.NewUserClaims(public)
	claims.Name = "audit"
	if !expires.IsZero() {
		claims.Expires = expires.Unix()
	}
	token, err := claims.Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	content, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "audit.creds")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestFilesOfTheStream: operators learn when the CA and the user of the stream's servers
// expire. A file that cannot be used keeps the sink from opening.
func TestFilesOfTheStream(t *testing.T) {
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	config := Config{Servers: []string{"nats://127.0.0.1:1"}, Credentials: credentialsFile(t, until), CertificateAuthority: testca.WriteFile(t, testca.New(t, "servers"))}
	s, err := Open(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	files := s.Files()
	if len(files) != 2 || files[0].Name != "audit.jetStream.certificateAuthority" || files[1].Name != "audit.jetStream.credentials" {
		t.Fatalf("followed are %v", files)
	}
	if c := files[0].Status().Certificates; len(c) != 1 || c[0].Subject != "servers" || !c[0].CA {
		t.Errorf("the CA is %v", c)
	}
	if c := files[1].Status().Certificates; len(c) != 1 || c[0].Subject != "audit" || c[0].CA || !c[0].NotAfter.Equal(until) || c[0].NotBefore.After(until) {
		t.Errorf("the user is %v", c)
	}
	config.Credentials = credentialsFile(t, time.Time{})
	if all, err := follow(config, nil); err != nil || len(all[1].Status().Certificates) != 0 {
		t.Errorf("a user that does not expire: %v", err)
	}
	config.Credentials = config.CertificateAuthority
	if _, err := Open(config, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "not a NATS credentials file") {
		t.Errorf("a file without credentials: %v", err)
	}
}
