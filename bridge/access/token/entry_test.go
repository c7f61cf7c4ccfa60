package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// A token without clusters of its own is for grants. It must say so.
func TestGrantsOnly(t *testing.T) {
	plain, hash := New()
	entry, err := Entry("flux", hash, []string{}, Owner("platform-team"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := openTokens(t, "tokens:\n"+entry).Authenticate(request("Authorization", "Bearer "+plain))
	if err != nil || len(c.Clusters) != 0 || c.Extra["owner"][0] != "platform-team" || c.CountBy != "platform-team" || !c.Expires.IsZero() || c.Lease.Ended() {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := Entry("flux", hash, nil); err == nil {
		t.Error("an entry without the key clusters: no error")
	}
}

// A token that has expired is refused with that as the reason, and ends what runs.
func TestExpiry(t *testing.T) {
	plain, hash := New()
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	write := func(at time.Time) {
		t.Helper()
		entry, err := Entry("ci", hash, []string{"*"}, Expires(at))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(path+".new", []byte("tokens:\n"+entry), 0o600), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Now().Add(2 * time.Second).Truncate(time.Second)
	write(end)
	tokens, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- tokens.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	first, err := tokens.Authenticate(request("Authorization", "Bearer "+plain))
	if err != nil || !first.Expires.Equal(end) {
		t.Fatalf("%+v, %v, want one that ends at %v", first, err, end)
	}
	ended := make(chan *access.Caller, 1)
	defer first.Lease.OnEnd(func(next *access.Caller) { ended <- next })()
	select {
	case next := <-ended:
		if next != nil || time.Now().Before(end) {
			t.Errorf("the lease ended with %+v, before %v", next, end)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the lease has not ended")
	}
	_, err = tokens.Authenticate(request("Authorization", "Bearer "+plain))
	if want := fmt.Sprintf("the bearer token has expired at %s", end.UTC().Format(time.RFC3339)); !errors.Is(err, ErrExpired) || err.Error() != want || errors.Is(err, access.ErrUnrecognized) {
		t.Errorf("%v, want %q", err, want)
	}
	// One whose end was put off is a new caller.
	write(end.Add(time.Hour))
	var again *access.Caller
	eventually.Nil(t, "the token with another end", func() (err error) {
		again, err = tokens.Authenticate(request("Authorization", "Bearer "+plain))
		return err
	})
	if again == first || again.Lease.Ended() {
		t.Errorf("with another end: %+v", again)
	}
}

func TestEntryFaults(t *testing.T) {
	_, hash := New()
	for rest, want := range map[string]string{
		"expires: 2027-01-31T12:00:00Z":        "",
		`expires: "2027-01-31T12:00:00+01:00"`: "",
		"expires: 2027-01-31":                  `line 1: tokens[a].expires: it is not a time such as 2027-01-31T12:00:00Z`,
		"expires: 720h":                        "is not a time such as",
		`owner: "a\nb"`:                        `line 1: tokens[a].owner: it is longer than 254 bytes, or has a control character`,
		"owner: " + strings.Repeat("x", 255):   "longer than 254 bytes",
		"expires: ":                            `line 1: tokens[a]: key "expires" has no value`,
		"owner: ~":                             `line 1: tokens[a]: key "owner" has no value`,
		"ends: never":                          `unknown key "ends"; known are name, hash, clusters, owner, expires`,
	} {
		_, err := parseTokens([]byte("tokens: [{name: a, hash: \"" + hash + "\", clusters: [], " + rest + "}]"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", rest, err, want)
		}
	}
}

// A token in the wrong place of the file is in no error: those are logged, and shown by
// /readyz.
func TestErrorsShowNoToken(t *testing.T) {
	for _, secret := range []string{
		"fl_0123456789abcdefSECRET", "eyJhbGciOiJSUzI1NiJ9.SECRET.x", "SECRETword-without-a-form", "SU" + strings.Repeat("A2", 25) + "SECRET",
		strings.Repeat("x", 61) + "fl_0123456789SECRET",
	} {
		for _, text := range []string{
			"%s", "%s: x", "- %s", "tokens: %s", "tokens: [%s]", "tokens: {%s: x}", "tokens:\n- %s", "tokens:\n- %s: x", "tokens:\n- [%s]",
			"tokens:\n- {name: ci, hash: [%s], clusters: []}",
			"tokens:\n- {name: ci, hash: {%s: x}, clusters: []}",
			"tokens:\n- {name: ci, hash: %s, clusters: []}",
			"tokens:\n- {name: ci, %s: x, clusters: []}",
			"tokens:\n- {name: ci, %s: x, %[1]s: y}",
			"tokens:\n- {name: %s, hash: x, clusters: []}",
			"tokens:\n- {name: %s, hash: x, clusters: []}\n- {name: %[1]s, hash: x, clusters: []}",
			"tokens:\n- {name: ci, hash: x, clusters: %s}",
			"tokens:\n- {name: ci, hash: x, clusters: [%s]}",
			"tokens:\n- {name: ci, hash: x, clusters: [{%s: x}]}",
			"tokens:\n- {name: ci, hash: x, clusters: [], expires: %s}",
			"tokens:\n- {name: ci, hash: x, clusters: [], owner: [%s]}",
			"tokens:\n- {name: ci, hash: x, clusters: [], owner: \"%s\\n\"}",
			"tokens:\n- name: ci\n  hash: *%s",
			"tokens: &%s [*%[1]s]",
			"tokens:\n- name: ci\n  hash: !%s x",
			"tokens:\n- name: ci\n hash: %s",
			"tokens:\n- name: ci\n  hash: @%s",
			"tokens:\n- name: ci\n  hash: x: %s",
			"tokens: []\n---\n%s",
		} {
			content := fmt.Sprintf(text, secret)
			_, err := parseTokens([]byte(content))
			if err == nil {
				t.Errorf("%q: no error", content)
			} else if strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), secret[:6]) {
				t.Errorf("%q: %v", content, err)
			}
		}
	}
}
