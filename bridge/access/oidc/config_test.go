package oidc

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

const wholeConfig = `
oidc:
  - name: gitlab
    issuer: https://gitlab.example.com
    audiences: [https://fairlead.example.com]
    certificateAuthority: /etc/fl/gitlab-ca.crt
    proxyURL: http://proxy:3128
    signingAlgorithms: [RS256, ES256]
    clockSkew: 1m
    username: '"gitlab:" + claims.project_path'
    groups: '["gitlab:" + claims.namespace_path]'
    uid: claims.sub
    countBy: claims.namespace_path
  - {name: other, issuer: "https://other.example.com/a", audiences: [x, y]}
`

// What limits count a caller by comes from its claims, which must have it.
func TestCountBy(t *testing.T) {
	i := Issuer{Name: "ci", URL: "https://ci.example.com", Audiences: []string{"x"}, CountBy: "claims.project"}
	c, err := i.Caller(t.Context(), map[string]any{"sub": "acme/shop:ref:main", "project": "acme/shop"})
	if err != nil || c.Name != "ci:acme/shop:ref:main" || c.CountBy != "acme/shop" {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, claims := range []map[string]any{{"sub": "a"}, {"sub": "a", "project": ""}} {
		if _, err := i.Caller(t.Context(), claims); !errors.Is(err, ErrClaims) || !strings.Contains(err.Error(), "the countBy that issuer") {
			t.Errorf("%v: %v", claims, err)
		}
	}
	i.CountBy = ""
	if c, err := i.Caller(t.Context(), map[string]any{"sub": "a"}); err != nil || c.CountBy != "" {
		t.Errorf("without countBy: %+v, %v", c, err)
	}
}

// file is a file of which the issuers are a part.
type file struct {
	OIDC Config `yaml:"oidc"`
}

func decode(text string) (Config, error) {
	var f struct {
		file
	}
	err := strictyaml.Unmarshal([]byte(text), &f.file)
	return f.OIDC, err
}

func TestConfig(t *testing.T) {
	got, err := decode(wholeConfig)
	if err != nil {
		t.Fatal(err)
	}
	minute := time.Minute
	want := Config{{
		Name: "gitlab", URL: "https://gitlab.example.com", Audiences: []string{"https://fairlead.example.com"},
		CertificateAuthority: "/etc/fl/gitlab-ca.crt", ProxyURL: "http://proxy:3128", SigningAlgorithms: []string{"RS256", "ES256"},
		ClockSkew: &minute, Username: `"gitlab:" + claims.project_path`, Groups: `["gitlab:" + claims.namespace_path]`, UID: "claims.sub",
		CountBy: "claims.namespace_path",
	}, {Name: "other", URL: "https://other.example.com/a", Audiences: []string{"x", "y"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if again, err := decode(wholeConfig); err != nil || !reflect.DeepEqual(got, again) {
		t.Errorf("the same text is another configuration: %+v, %v", again, err)
	}
	if got[1].skew() != DefaultClockSkew || len(got[1].algorithms()) != len(algorithms) {
		t.Errorf("defaults: %v, %v", got[1].skew(), got[1].algorithms())
	}
}

// TestConfigFaults: every fault has the line of what is wrong.
func TestConfigFaults(t *testing.T) {
	replace := func(old, with string) string { return strings.Replace(wholeConfig, old, with, 1) }
	for name, tt := range map[string]struct{ text, want string }{
		"no list":         {"oidc: {name: a}", "line 1: oidc: want a list of issuers, each of which begins with"},
		"unknown key":     {replace("audiences", "audience"), `line 5: oidc[gitlab]: unknown key "audience": did you mean "audiences"?`},
		"twice":           {replace("    uid:", "    name: x\n    uid:"), `line 12: oidc[gitlab]: key "name" stands twice`},
		"name":            {replace("gitlab\n", "Git_Lab\n"), `line 3: oidc[Git_Lab].name: name "Git_Lab": not a DNS label`},
		"http":            {replace("https://gitlab.example.com", "http://gitlab.example.com"), "line 4: oidc[gitlab].issuer: want a URL with https"},
		"no URL":          {replace("https://gitlab.example.com", "gitlab.example.com"), "line 4: oidc[gitlab].issuer: want a URL with https"},
		"query":           {replace("gitlab.example.com\n", "gitlab.example.com?x=y\n"), "line 4: oidc[gitlab].issuer: want a URL without a query"},
		"no audience":     {replace("    audiences: [https://fairlead.example.com]\n", ""), "line 3: oidc[gitlab].audiences: want at least one"},
		"empty audience":  {replace("[https://fairlead.example.com]", `[""]`), "line 5: oidc[gitlab].audiences: want at least one, and none that is empty"},
		"proxy":           {replace("http://proxy:3128", "ftp://u:secret@proxy"), "line 7: oidc[gitlab].proxyURL: want a URL with http, https, socks5"},
		"none":            {replace("[RS256, ES256]", "[RS256, none]"), `line 8: oidc[gitlab].signingAlgorithms[1]: "none" is not supported`},
		"HMAC":            {replace("[RS256, ES256]", "[HS256]"), `line 8: oidc[gitlab].signingAlgorithms[0]: "HS256" is not supported; supported are RS256`},
		"skew":            {replace("clockSkew: 1m", "clockSkew: 6m"), "line 9: oidc[gitlab].clockSkew: 6m0s is not between 0s and 5m0s"},
		"negative skew":   {replace("clockSkew: 1m", "clockSkew: -1s"), "line 9: oidc[gitlab].clockSkew: -1s is not between"},
		"no duration":     {replace("clockSkew: 1m", "clockSkew: soon"), "line 9: "},
		"CEL":             {replace("claims.project_path", "claim.project_path"), "line 10: oidc[gitlab].username: expression, column 13: there is no variable claim: did you mean claims?"},
		"username's type": {replace(`'"gitlab:" + claims.project_path'`, "'[claims.sub]'"), "line 10: oidc[gitlab].username: expression, column 1: the expression is a list, and must be a string"},
		"groups' type":    {replace(`'["gitlab:" + claims.namespace_path]'`, "'1 + 2'"), "line 11: oidc[gitlab].groups: expression, column 1: the expression is a number, and must be a list of strings, or a string"},
		"countBy":         {replace("countBy: claims.namespace_path", "countBy: claims."), "line 13: oidc[gitlab].countBy: expression"},
		"uid is a list":   {replace("uid: claims.sub", "uid: [a]"), "line 12: oidc[gitlab].uid: want a CEL expression"},
		"same name":       {replace("name: other", "name: gitlab"), `line 14: oidc[gitlab].name: another issuer has the name "gitlab"`},
		"same issuer":     {replace("https://other.example.com/a", "https://gitlab.example.com"), "line 14: oidc[other].issuer: another issuer has the URL https://gitlab.example.com"},
	} {
		_, err := decode(tt.text)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	_, err := decode(replace("clockSkew: 1m", "clockSkew: 1h\n    uid: nonsense(") + "  - {name: x}\n")
	if faults := strictyaml.Faults(err); len(faults) < 2 {
		t.Errorf("faults of several issuers: %v, want all of them", faults)
	}
}

func TestNewChecksToo(t *testing.T) {
	good := Issuer{Name: "a", URL: "https://a.example.com", Audiences: []string{"x"}}
	second, broken := good, good
	second.URL = "https://b.example.com"
	broken.Username = "claims."
	for want, config := range map[string]Config{
		`issuer "": name: `:                     {{}},
		`[1].name: another issuer has the name`: {good, second},
		`issuer "a": username: expression`:      {broken},
	} {
		a, err := New(config, nil, nil, nil)
		if err == nil {
			a.Close()
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
