package token

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/subjects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openTokens(t *testing.T, content string) *Tokens {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func request(header ...string) *http.Request {
	r := &http.Request{Header: http.Header{}}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func TestTokens(t *testing.T) {
	plain, hash := New()
	if !regexp.MustCompile(`^fl_[A-Za-z0-9_-]{43}$`).MatchString(plain) {
		t.Errorf("token %q has not the documented form", plain)
	}
	entry, err := Entry("ci", hash, []string{"prod", "*.acme"})
	if err != nil {
		t.Fatal(err)
	}
	tokens := openTokens(t, "tokens:\n"+entry)

	for name, r := range map[string]*http.Request{
		"plain":      request("Authorization", "Bearer "+plain),
		"lower case": request("Authorization", "bearer  "+plain+" "),
		"WebSocket": request("Sec-WebSocket-Protocol",
			"v5.channel.k8s.io, "+subjects.BearerProtocol+base64.RawURLEncoding.EncodeToString([]byte(plain))),
	} {
		c, err := tokens.Authenticate(r)
		if err != nil || c.Name != "ci" {
			t.Errorf("%s: got %+v, %v", name, c, err)
		}
	}
	for name, tt := range map[string]struct {
		r    *http.Request
		want error
	}{
		"nothing":  {request(), access.ErrNoCredentials},
		"basic":    {request("Authorization", "Basic dTpw"), access.ErrScheme},
		"empty":    {request("Authorization", "Bearer "), access.ErrScheme},
		"two":      {request("Authorization", "Bearer "+plain, "Authorization", "Bearer "+plain), access.ErrScheme},
		"wrong":    {request("Authorization", "Bearer "+plain+"x"), ErrInvalidToken},
		"the hash": {request("Authorization", "Bearer "+hash), ErrInvalidToken},
		"huge":     {request("Authorization", "Bearer "+strings.Repeat("x", access.MaxToken+1)), access.ErrTokenTooLong},
		"huge WebSocket": {request("Sec-WebSocket-Protocol",
			subjects.BearerProtocol+base64.RawURLEncoding.EncodeToString(make([]byte, access.MaxToken+1))), access.ErrTokenTooLong},
		"bad WebSocket": {request("Sec-WebSocket-Protocol", subjects.BearerProtocol+"%%"), access.ErrScheme},
	} {
		if c, err := tokens.Authenticate(tt.r); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %+v, %v, want %v", name, c, err, tt.want)
		}
	}
}

func TestBadTokenFilesNameTheFault(t *testing.T) {
	_, hash := New()
	good := "- {name: a, hash: \"" + hash + "\", clusters: [\"*\"]}\n"
	for content, want := range map[string]string{
		"tokens:\n- name: a\n  hsh: x\n": "line 2: tokens[a].clusters: none given; [\"*\"] means all, and [] those of grants alone\nline 3: tokens[a]: unknown key \"hsh\": did you mean \"hash\"?",
		"tokens: []\ntoken: []\n":        `line 2: unknown key "token": did you mean "tokens"?`,
		"tokens: [a]":                    "line 1: tokens[0]: want a mapping",
		"tokens: {a: {}}":                "line 1: tokens: want a list, not a mapping",
		"just text":                      "line 1: want a mapping",
		"tokens: [{name: A}]":            "DNS label",
		"tokens: [{name: a, hash: \"md5:00\", clusters: [\"*\"]}]":           `line 1: tokens[a].hash: want "sha256:" and 64 hex digits; "fairlead-bridge token new" makes one`,
		"tokens: [{name: a, hash: \"" + hash + "\"}]":                        "line 1: tokens[a].clusters: none given",
		"tokens: [{name: a, hash: \"" + hash + "\", clusters: [\"a.b.c\"]}]": "DNS label",
		"tokens:\n" + good + good:                                            "line 3: tokens[a].name: another token has the name \"a\"\nline 3: tokens[a].hash: token \"a\" has the same hash",
		"tokens:\n" + good + strings.Replace(good, "name: a", "name: b", 1):  `line 3: tokens[b].hash: token "a" has the same hash`,
	} {
		if _, err := parseTokens([]byte(content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", content, err, want)
		}
	}
	if set, err := parseTokens(nil); err != nil || len(set) != 0 {
		t.Errorf("an empty file: %v, %v, want no tokens", set, err)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	plain, hash := New()
	entry, _ := Entry("ci", hash, []string{"*"})
	path := filepath.Join(b.TempDir(), "tokens.yaml")
	if err := os.WriteFile(path, []byte("tokens:\n"+entry), 0o600); err != nil {
		b.Fatal(err)
	}
	tokens, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	r := request("Authorization", "Bearer "+plain)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokens.Authenticate(r); err != nil {
			b.Fatal(err)
		}
	}
}

// TestVouch: a caller that is absent is known by the name of its token, until the file has
// no such token or it has expired.
func TestVouch(t *testing.T) {
	_, hash := New()
	_, expired := New()
	good, err := Entry("ci", hash, []string{"prod"})
	if err != nil {
		t.Fatal(err)
	}
	tokens := openTokens(t, "tokens:\n"+good+"- {name: old, hash: \""+expired+"\", clusters: [prod], expires: 2026-01-01T00:00:00Z}\n")
	now, known, err := tokens.Vouch(&access.Caller{Name: "ci", Method: access.MethodToken, Groups: []string{"stale"}})
	if err != nil || !known || now.Name != "ci" || len(now.Groups) != 0 || len(now.Clusters) != 1 {
		t.Errorf("%+v, %v, %v", now, known, err)
	}
	if _, known, err := tokens.Vouch(&access.Caller{Name: "old", Method: access.MethodToken}); !known || !errors.Is(err, ErrExpired) {
		t.Errorf("expired: %v, %v", known, err)
	}
	if _, known, err := tokens.Vouch(&access.Caller{Name: "gone", Method: access.MethodToken}); !known || err == nil || !strings.Contains(err.Error(), `"gone"`) {
		t.Errorf("removed: %v, %v", known, err)
	}
	if _, known, err := tokens.Vouch(&access.Caller{Name: "ci", Method: access.MethodOIDC}); known || err != nil {
		t.Errorf("of another method: %v, %v", known, err)
	}
}
