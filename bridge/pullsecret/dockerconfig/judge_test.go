package dockerconfig

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func codes(all []Finding) (c []string) {
	for _, f := range all {
		c = append(c, f.Code)
	}
	return c
}

func TestSecretsAreJudged(t *testing.T) {
	const good = `{"auths":{"ghcr.io":{"auth":"dTp0"}}}`
	b64 := base64.StdEncoding.EncodeToString
	for _, c := range []struct {
		name, kind, key, content string
		want                     []Finding
	}{
		{"good", Type, Key, good, nil},
		{"Opaque", "Opaque", Key, good, []Finding{wrongType}},
		{"Opaque, double-encoded", "Opaque", Key, b64([]byte(good)), []Finding{wrongType, doubleEncoded}},
		{"Opaque, another key", "Opaque", "config.json", good, []Finding{wrongType, wrongKey}},
		{"Opaque, legacy", "Opaque", ".dockercfg", `{"ghcr.io":{"auth":"dTp0"}}`, []Finding{wrongType}},
		{"legacy", LegacyType, ".dockercfg", `{"ghcr.io":{"auth":"dTp0"}}`, []Finding{legacyType}},
		{"legacy, wrong key", LegacyType, Key, good, []Finding{legacyType, wrongKey}},
		{"wrong key", Type, ".dockercfg", good, []Finding{wrongKey}},
		{"empty", Type, Key, "", []Finding{noData}},
		{"double-encoded", Type, Key, b64([]byte(good)) + "\n", []Finding{doubleEncoded}},
		{"text", Type, Key, "ghcr.io", []Finding{notJSON}},
		{"list", Type, Key, "[]", []Finding{notJSON}},
		{"two values", Type, Key, good + good, []Finding{notJSON}},
		{"no auths", Type, Key, "{}", []Finding{authsMissing}},
		{"null auths", Type, Key, `{"auths":null}`, []Finding{authsMissing}},
		{"legacy content", Type, Key, `{"ghcr.io":{"auth":"dTp0"}}`, []Finding{authsOutside}},
		{"auths is a list", Type, Key, `{"auths":[]}`, []Finding{authsMalformed}},
		{"empty auths", Type, Key, `{"auths":{}}`, []Finding{authsEmpty}},
		{"helpers", Type, Key, `{"auths":{},"credHelpers":{"ghcr.io":"x"}}`, []Finding{credentialHelpers, authsEmpty}},
		{"store", Type, Key, `{"credsStore":"desktop","auths":{"ghcr.io":{}}}`, []Finding{credentialHelpers}},
	} {
		j := Judge(c.kind, map[string][]byte{c.key: []byte(c.content)})
		if !slices.Equal(j.Findings, c.want) {
			t.Errorf("%s: %v, want %v", c.name, codes(j.Findings), codes(c.want))
		}
		if want := !isFatal(c.want) && c.name != "store"; j.WellFormed() != want {
			t.Errorf("%s: well formed is %v", c.name, !want)
		}
	}
	if j := Judge(Type, nil); !slices.Equal(j.Findings, []Finding{noData}) {
		t.Errorf("no data: %v", codes(j.Findings))
	}
}

func TestEntriesAreJudged(t *testing.T) {
	for _, c := range []struct {
		key, value string
		complete   bool
		want       []Finding
	}{
		{"ghcr.io", `{"auth":"dTp0"}`, true, nil},
		{"ghcr.io", `{"auth":"dTp0Cg=="}`, false, []Finding{whiteSpace}},
		{"ghcr.io", `{"username":"u","password":" t"}`, false, []Finding{authMissing, whiteSpace}},
		{"ghcr.io", `{"username":"u","password":"t"}`, true, []Finding{authMissing}},
		{"ghcr.io", `{"username":"u","password":"other","auth":"dTp0"}`, true, []Finding{authDisagrees}},
		{"ghcr.io", `{"auth":"ZFRwMA=="}`, false, []Finding{authDoubleEncoded}},
		{"ghcr.io", `{"auth":"dG9rZW4="}`, false, []Finding{authNoColon}},
		{"ghcr.io", `{"auth":"u:t"}`, false, []Finding{authNotBase64}},
		{"ghcr.io", `{"auth":"OnQ="}`, false, []Finding{usernameMissing}},
		{"ghcr.io", `{"auth":"dTo="}`, false, []Finding{tokenMissing}},
		{"ghcr.io", `{"identitytoken":"x"}`, false, []Finding{identityToken, credentialsMissing}},
		{"ghcr.io", `[]`, false, []Finding{entryMalformed}},
		{"https://ghcr.io", `{"auth":"dTp0"}`, true, []Finding{keyScheme}},
		{"ghcr.io/v2/", `{"auth":"dTp0"}`, true, []Finding{keySlash}},
		{"ghcr.io/v2", `{"auth":"dTp0"}`, false, []Finding{keyAPIPath}},
		{"GHCR.io", `{"auth":"dTp0"}`, false, []Finding{keyCapitals}},
		{"docker.io", `{"auth":"dTp0"}`, true, []Finding{keyHub}},
		{"index.docker.io/acme", `{"auth":"dTp0"}`, false, []Finding{keyHubPath}},
		{"registry-1.docker.io", `{"auth":"dTp0"}`, true, []Finding{keyHubHost}},
		{"*.io", `{"auth":"dTp0"}`, true, []Finding{keyWide}},
		{"user:hunter2@ghcr.io", `{"auth":"dTp0"}`, false, []Finding{keyUser}},
		{"hunter2", `{"auth":"dTp0"}`, false, []Finding{keyBare}},
		{"hunter_2", `{"auth":"dTp0"}`, false, []Finding{keyUnreadable}},
	} {
		j := Judge(Type, map[string][]byte{Key: []byte(`{"auths":{"` + c.key + `":` + c.value + `}}`)})
		if len(j.Entries) != 1 {
			t.Fatalf("%s: %+v", c.key, j)
		}
		if e := j.Entries[0]; !slices.Equal(e.Findings, c.want) || e.Complete != c.complete || j.WellFormed() == isFatal(c.want) {
			t.Errorf("%s %s: complete %v, %v, want %v", c.key, c.value, e.Complete, codes(e.Findings), codes(c.want))
		}
	}
}

func TestARegistryThatIsThereTwice(t *testing.T) {
	for _, auths := range []string{
		`{"ghcr.io":{"auth":"dTp0"},"ghcr.io":{"auth":"dTp0"}}`, `{"docker.io":{"auth":"dTp0"},"https://index.docker.io/v1/":{"auth":"dTp0"}}`,
	} {
		j := Judge(Type, map[string][]byte{Key: []byte(`{"auths":` + auths + `}`)})
		if len(j.Entries) != 2 || !slices.Contains(j.Entries[0].Findings, keyTwice) || !slices.Contains(j.Entries[1].Findings, keyTwice) || !j.WellFormed() {
			t.Errorf("%s: %+v", auths, j)
		}
	}
}

// TestManyEntries: what is told is bounded, and what is not told counts all the same.
func TestManyEntries(t *testing.T) {
	for last, good := range map[string]bool{`{"auth":"dTp0"}`: true, `{}`: false} {
		var auths strings.Builder
		for i := range 50_000 {
			fmt.Fprintf(&auths, `"r%d.example.com":{"auth":"dTp0"},`, i)
		}
		j := Judge(Type, map[string][]byte{Key: []byte(`{"auths":{` + auths.String() + `"last.example.com":` + last + `}}`)})
		if len(j.Entries) > 1000 || j.More != 50_001-len(j.Entries) || j.WellFormed() != good {
			t.Errorf("the last one is %s: %d entries and %d more, well formed %v", last, len(j.Entries), j.More, j.WellFormed())
		}
	}
}

// TestFindingsSayTheCure: each has a code of its own, and a hint.
func TestFindingsSayTheCure(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Findings() {
		if seen[f.Code] || !regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(f.Code) || len(f.Hint) < 40 || f.Severity != Fatal && f.Severity != Warning {
			t.Errorf("%+v", f)
		}
		seen[f.Code] = true
	}
}

// FuzzJudge: nothing of a user name, a token or a key that is not a registry is in a
// judgement, whatever the content is.
func FuzzJudge(f *testing.F) {
	f.Add(Type, Key, `{"auths":{"https://ghcr.io/v2/":{"auth":"dTp0"},"a":{"username":"hunter2"}}}`)
	f.Add(LegacyType, ".dockercfg", `{"ghcr.io":{"auth":"hunter2"}}`)
	f.Add("Opaque", Key, `eyJhdXRocyI6e319`)
	f.Fuzz(func(t *testing.T, kind, key, content string) {
		j := Judge(kind, map[string][]byte{key: []byte(content)})
		for _, e := range j.Entries {
			if e.Key != "" {
				if r, err := parseRegistry(e.Key); err != nil || r.String() != e.Registry {
					t.Fatalf("%+v", e)
				}
			}
			for _, found := range e.Findings {
				if !slices.Contains(findings, found) {
					t.Fatalf("%+v", found)
				}
			}
			if !e.Complete && !isFatal(e.Findings) {
				t.Fatalf("incomplete, and nothing is wrong: %+v", e)
			}
		}
		for _, found := range j.Findings {
			if !slices.Contains(findings, found) {
				t.Fatalf("%+v", found)
			}
		}
		if !j.WellFormed() && len(j.Findings) == 0 && !slices.ContainsFunc(j.Entries, func(e Entry) bool { return isFatal(e.Findings) }) {
			t.Fatalf("malformed, and nothing is wrong: %+v", j)
		}
		if s := fmt.Sprintf("%+v", j); strings.Contains(s, "hunter2") && !strings.Contains(s, "hunter2.") && !strings.Contains(s, ".hunter2") && !strings.Contains(s, "hunter2:") && !strings.Contains(s, "/hunter2") {
			t.Fatal(s)
		}
	})
}
