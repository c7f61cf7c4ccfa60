package oidc

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

// Clock skew in an issuer's configuration.
const (
	// DefaultClockSkew covers clocks that are kept in step, but not exactly.
	DefaultClockSkew = 30 * time.Second
	// MaxClockSkew bounds how long a token is good for after its end. It is also
	// what go-oidc allows a token that is not yet valid.
	MaxClockSkew = 5 * time.Minute
)

// algorithms are those of public keys that go-oidc verifies. HMAC is none of them: the
// secret would be the public key.
var algorithms = []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}

// Config is the issuers whose tokens are accepted.
type Config []Issuer

// Issuer is one of them. Its zero values are the defaults.
type Issuer struct {
	// Name is a DNS label. It is the caller's issuer in grants and logs.
	Name string `yaml:"name"`
	// URL is the iss of its tokens, with https.
	URL string `yaml:"issuer"`
	// Audiences are those of which a token must have one.
	Audiences []string `yaml:"audiences"`
	// CertificateAuthority is a PEM file with the CAs of the issuer's certificate;
	// it is read again when it changes. Default: those of the system.
	CertificateAuthority string `yaml:"certificateAuthority"`
	// ProxyURL leads to the issuer. Default: HTTPS_PROXY and NO_PROXY of the
	// environment.
	ProxyURL string `yaml:"proxyURL"`
	// SigningAlgorithms that are accepted. Default: all that use public keys.
	SigningAlgorithms []string `yaml:"signingAlgorithms"`
	// ClockSkew is how far the issuer's clock may be from ours; nil:
	// [DefaultClockSkew].
	ClockSkew *time.Duration `yaml:"clockSkew"`
	// Username gives the caller's name. Default: the issuer's name, a colon and sub.
	Username StringExpression `yaml:"username"`
	// Groups gives the caller's groups. Default: none.
	Groups ListExpression `yaml:"groups"`
	// UID gives the caller's uid. Default: none.
	UID StringExpression `yaml:"uid"`
	// CountBy gives what limits count the caller by. Default: its name.
	CountBy StringExpression `yaml:"countBy"`
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It reports each fault with its line.
func (c *Config) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return strictyaml.Errorf(n, `want a list of issuers, each of which begins with "- "`)
	}
	var list []Issuer
	err := strictyaml.DecodeInto(n, &list)
	*c = list
	return errors.Join(err, strictyaml.In(n, c.taken()...))
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It reports each fault with its line.
func (i *Issuer) UnmarshalYAML(n *yaml.Node) error {
	type plain Issuer
	return strictyaml.Decode(n, (*plain)(i), i.faults)
}

// check reports the first fault of a configuration that was not read from a file.
func (c Config) check() error {
	for n := range c {
		if err := strictyaml.First(c[n].faults()); err != nil {
			return fmt.Errorf("issuer %q: %w", c[n].Name, err)
		}
	}
	return strictyaml.First(c.taken())
}

// taken are the faults of issuers whose names or URLs others have.
func (c Config) taken() (all []strictyaml.Fault) {
	names, urls := map[string]bool{}, map[string]bool{}
	for n := range c {
		i := &c[n]
		if i.Name != "" && names[i.Name] {
			all = append(all, strictyaml.Faultf("another issuer has the name %q", i.Name).At(n, "name"))
		}
		if i.URL != "" && urls[i.URL] {
			all = append(all, strictyaml.Faultf("another issuer has the URL %s", i.URL).At(n, "issuer"))
		}
		names[i.Name], urls[i.URL] = true, true
	}
	return all
}

func (i *Issuer) faults() (all []strictyaml.Fault) {
	add := func(err error, at ...any) {
		if err != nil {
			all = append(all, strictyaml.Faultf("%w", err).At(at...))
		}
	}
	add(subjects.CheckName(i.Name), "name")
	add(checkURL(i.URL, "https"), "issuer")
	if i.ProxyURL != "" {
		add(checkURL(i.ProxyURL, "http", "https", "socks5"), "proxyURL")
	}
	if len(i.Audiences) == 0 || slices.Contains(i.Audiences, "") {
		add(errors.New("want at least one, and none that is empty: tokens that were made for any other service would be accepted"), "audiences")
	}
	if i.SigningAlgorithms != nil && len(i.SigningAlgorithms) == 0 {
		add(errors.New("empty; without the key all that use public keys are accepted"), "signingAlgorithms")
	}
	for n, a := range i.SigningAlgorithms {
		if !slices.Contains(algorithms, a) {
			add(fmt.Errorf("%q is not supported; supported are %s", a, strings.Join(algorithms, ", ")), "signingAlgorithms", n)
		}
	}
	if s := i.ClockSkew; s != nil && (*s < 0 || *s > MaxClockSkew) {
		add(fmt.Errorf("%v is not between 0s and %v", *s, MaxClockSkew), "clockSkew")
	}
	return all
}

// checkURL demands an absolute URL with one of the schemes. Its error does not show
// the URL, which may contain a password.
func checkURL(s string, schemes ...string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme):
		return fmt.Errorf("want a URL with %s", strings.Join(schemes, ", "))
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("want a URL without a query and a fragment")
	}
	return nil
}

func (i *Issuer) skew() time.Duration {
	if i.ClockSkew != nil {
		return *i.ClockSkew
	}
	return DefaultClockSkew
}

func (i *Issuer) algorithms() []string {
	if len(i.SigningAlgorithms) > 0 {
		return i.SigningAlgorithms
	}
	return algorithms
}
