package webhook

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// FuzzParse: no content of the file makes it panic, and what it takes can be used.
func FuzzParse(f *testing.F) {
	f.Add([]byte("webhooks:\n- {name: a, url: 'https://x/?a', secretFiles: [s], types: [cluster.*], tenants: [a], clusters: ['*']}\n"))
	f.Add([]byte("webhooks: [{name: a, url: 'http://[::1]:80', allowHTTP: true, secretFiles: [s]}]"))
	f.Add([]byte("webhooks: &a [*a]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		c, err := Parse(content)
		if err != nil {
			return
		}
		for i := range c.Webhooks {
			if h := &c.Webhooks[i]; h.where() == "" || h.filter() == nil {
				t.Errorf("%+v", h)
			}
		}
	})
}

// TestSignature: it is the one that OpenSSL makes of the same, as docs/events.md verifies it.
func TestSignature(t *testing.T) {
	key, err := parseSecret([]byte(secret + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1764407524, 0)
	got := sign([][]byte{key, []byte("other")}, "mf4r8zk1-4711", at, []byte(`{"type":"cluster.connected"}`))
	if want := openssl(t, "mf4r8zk1-4711", "1764407524", `{"type":"cluster.connected"}`); !strings.HasPrefix(got, "v1,"+want+" v1,") {
		t.Errorf("got %s, want v1,%s", got, want)
	}
}

// openssl makes a signature by a command.
func openssl(t *testing.T, id, at, body string) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		const missing = "openssl is not installed, by which docs/events.md verifies"
		if os.Getenv("FAIRLEAD_E2E") == "require" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", `set -o pipefail
hex=$(printf %s "${1#whsec_}" | base64 -d | od -An -tx1 | tr -d ' \n')
printf '%s.%s.%s' "$2" "$3" "$4" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$hex" -binary | base64`, "-", secret, id, at, body)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(out))
}

// TestRetryAfter: what a receiver asks for is bounded, and nonsense is ignored.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "999999": maxRetryAfter, "-1": 0, "soon": 0, "99999999999999999999": 0,
		"Sat, 28 Nov 2026 09:01:00 GMT": time.Minute, "Sat, 28 Nov 2026 08:00:00 GMT": 0, "Sat, 28 Nov 2099 09:01:00 GMT": maxRetryAfter,
	} {
		if got := retryAfter(s, now); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}
