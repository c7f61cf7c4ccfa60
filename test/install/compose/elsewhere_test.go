package compose

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// handsOver fetches what an agent elsewhere needs, and connects with it as that
// agent would: by WebSocket through nginx.
func (s *system) handsOver() {
	show := func(args ...string) string {
		return s.compose(time.Minute, append([]string{"run", "--rm", "-T", "show"}, args...)...)
	}
	if out, err := s.tryCompose(s.t.Context(), "run", "--rm", "-T", "show", "creds", "elsewhere"); err == nil || out != "" {
		s.t.Errorf("credentials that were not made: %v, %d bytes", err, len(out))
	}
	s.compose(time.Minute, "run", "--rm", "-T", "admin", "cluster", "add", "--cluster", "elsewhere")
	ca := filepath.Join(s.t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, []byte(show("ca")), 0o600); err != nil {
		s.t.Fatal(err)
	}
	conn, err := nats.Connect(strings.Replace(s.url, "https://", "wss://", 1), nats.ProxyPath("/-/fairlead/"), nats.RootCAs(ca),
		nats.UserCredentialBytes([]byte(show("creds", "elsewhere"))), nats.NoReconnect(), nats.Timeout(10*time.Second))
	if err != nil {
		s.t.Fatalf("with what show printed: %v", err)
	}
	conn.Close()
}
