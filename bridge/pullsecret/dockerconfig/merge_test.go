package dockerconfig

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

func login(t testing.TB, registry, username, token string) Login {
	t.Helper()
	r, err := ParseRegistry(registry)
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLogin(r, username, token, "")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func merge(t testing.TB, document string, logins ...Login) string {
	t.Helper()
	b, err := Merge([]byte(document), logins)
	if err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	return string(b)
}

// TestContentIsThatOfKubectl: byte for byte what kubectl create secret docker-registry writes
// (v1.34.4).
func TestContentIsThatOfKubectl(t *testing.T) {
	b, err := os.ReadFile("testdata/kubectl.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct{ Registry, Username, Token, Email, Content string }
	if err := json.Unmarshal(b, &cases); err != nil || len(cases) == 0 {
		t.Fatal(cases, err)
	}
	for _, c := range cases {
		r, err := parseRegistry(c.Registry)
		if err != nil {
			t.Fatal(err)
		}
		l, err := NewLogin(r, c.Username, c.Token, c.Email)
		if err != nil {
			t.Fatal(err)
		}
		if got := merge(t, "", l); got != c.Content {
			t.Errorf("%s: %s, want %s", c.Registry, got, c.Content)
		}
	}
}

func TestMergeReplacesAllSpellingsOfARegistryAndNothingElse(t *testing.T) {
	const old = `{"HttpHeaders":{"User-Agent":"x"},"auths":{
		"https://registry.example.com/v2/":{"auth":"b2xkOm9sZA=="}, "Registry.example.com":{"auth":"!"}, "registry.example.com/v2":{},
		"registry.example.com/team":{"auth":"a2VlcDptZQ==","x":[1, 2]}, "registry.example.com:5000":{}, "docker.io":{"username":"hub"}, "ghp_x":7},
		"credsStore":"desktop"}`
	got := merge(t, old, login(t, "registry.example.com", "u", "t"), login(t, "ghcr.io", "u", "t"))
	const fresh = `{"username":"u","password":"t","auth":"dTp0"}`
	want := `{"HttpHeaders":{"User-Agent":"x"},"auths":{"docker.io":{"username":"hub"},"ghcr.io":` + fresh + `,"ghp_x":7,"registry.example.com":` + fresh +
		`,"registry.example.com/team":{"auth":"a2VlcDptZQ==","x":[1,2]},"registry.example.com:5000":{}},"credsStore":"desktop"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if again := merge(t, got, login(t, "https://ghcr.io/v2/", "u", "t")); again != got {
		t.Errorf("the same login again changes it: %s", again)
	}
	if hub := merge(t, got, login(t, "index.docker.io", "u", "t")); strings.Contains(hub, `"docker.io"`) || !strings.Contains(hub, hubKey) {
		t.Errorf("Docker Hub has two entries: %s", hub)
	}
}

func TestMergeRefusesWhatItWouldDestroy(t *testing.T) {
	for _, document := range []string{"7", `"x"`, "[]", "{", `{"auths":[]}`, `{"auths":"x"}`, `{"auths":{}} {}`, "eyJhdXRocyI6e319"} {
		if b, err := Merge([]byte(document), []Login{login(t, "ghcr.io", "u", "t")}); err != ErrMalformed || b != nil {
			t.Errorf("%s: %s, %v", document, b, err)
		}
	}
	for _, document := range []string{"", "{}", `{"auths":null}`, `{"auths":{}}`} {
		if got := merge(t, document, login(t, "ghcr.io", "u", "t")); got != `{"auths":{"ghcr.io":{"username":"u","password":"t","auth":"dTp0"}}}` {
			t.Errorf("%s: %s", document, got)
		}
	}
}

func TestLoginsAreChecked(t *testing.T) {
	r, _ := ParseRegistry("ghcr.io")
	for _, c := range []struct{ username, token, email, want string }{
		{"", "t", "", "username: none"}, {"u", "", "", "token: none"}, {"u:v", "t", "", "colon"},
		{"u\n", "t", "", "username: begins or ends"}, {"u", "t\n", "", "token: begins or ends"}, {"u", " t", "", "token: begins or ends"},
		{"u", "\ufffd", "", "token: is not UTF-8"}, {"u", "a\xffb", "", "token: is not UTF-8"}, {"u", "a\x00b", "", "token: has a control"},
		{"a\nb", "t", "", "username: has a control"}, {"u", "t", "a\nb", "email: has a control"}, {"u", strings.Repeat("t", maxLogin+1), "", "token: is longer"},
	} {
		if l, err := NewLogin(r, c.username, c.token, c.email); err == nil || !strings.Contains(err.Error(), c.want) || l != (Login{}) {
			t.Errorf("%q, %.20q, %q: %v", c.username, c.token, c.email, err)
		}
	}
	if _, err := NewLogin(r, "_json_key", "{\n\t\"a\": 1\r\n}", "ci@example.com"); err != nil {
		t.Error(err)
	}
}

// TestALoginShowsNothing: whoever prints one, and however.
func TestALoginShowsNothing(t *testing.T) {
	l := login(t, "ghcr.io", "somebody", "hunter2")
	text, _ := json.Marshal(l)
	shown := string(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown += fmt.Sprintf(verb+verb+verb, l, &l, []Login{l})
	}
	if strings.Contains(shown, "hunter") || strings.Contains(shown, "somebody") || strings.Contains(shown, fmt.Sprintf("%x", "hunter2")) || !strings.Contains(shown, "ghcr.io") {
		t.Error(shown)
	}
}

// FuzzMerge: what was merged is well formed as far as it is ours, what else was there stays, and
// merging again changes nothing.
func FuzzMerge(f *testing.F) {
	f.Add(`{"auths":{"a.b":{"auth":"dTp0"}},"x":1}`, "ghcr.io", "u", "t")
	f.Add(`{"Auths":{"https://a.b/v2/":7,"A.b":{}}}`, "a.b", "u", "t")
	f.Fuzz(func(t *testing.T, document, registry, username, token string) {
		r, err := ParseRegistry(registry)
		if err != nil {
			return
		}
		l, err := NewLogin(r, username, token, "")
		if err != nil {
			return
		}
		b, err := Merge([]byte(document), []Login{l})
		if err != nil {
			return
		}
		if again, err := Merge(b, []Login{l}); err != nil || string(again) != string(b) {
			t.Fatalf("%s became %s, %v", b, again, err)
		}
		var got struct{ Auths map[string]json.RawMessage }
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if usable, found := judgeEntry(got.Auths[r.Key()]); !usable || len(found) > 0 {
			t.Fatalf("%s has %s: %v", b, got.Auths[r.Key()], found)
		}
		was, err := entries(last(must(object([]byte(document))), "auths"))
		if err != nil {
			t.Fatal(err)
		}
		for key := range was {
			if other, err := parseRegistry(key); (err != nil || other != r) && !slices.Contains(slices.Collect(maps.Keys(got.Auths)), key) {
				t.Fatalf("%q is lost", key)
			}
		}
	})
}

func must(fields []field, _ error) []field { return fields }
