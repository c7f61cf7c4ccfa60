package clientcert

import (
	"net/http"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// Config says which client certificates identify callers.
type Config struct {
	// CertificateAuthority is a PEM file with the CAs of callers' certificates. It is
	// read again when it changes.
	CertificateAuthority string `yaml:"certificateAuthority"`
	// Forwarded lets proxies in front of the bridge pass certificates on; nil: none do.
	Forwarded *Forwarded `yaml:"forwarded"`
}

// Forwarded says which proxies pass certificates on, and how.
type Forwarded struct {
	// Header has the caller's certificate. It is one of [Headers], so that it never
	// reaches a cluster.
	Header  string  `yaml:"header"`
	Proxies Proxies `yaml:"proxies"`
}

// Proxies are recognized by their own client certificates.
type Proxies struct {
	// CertificateAuthority is a PEM file with the CAs of the proxies' certificates. It
	// is another file than that of callers: who may identify itself may not identify
	// others. It is read again when it changes.
	CertificateAuthority string `yaml:"certificateAuthority"`
	// CommonNames are those of the proxies' certificates; at least one.
	CommonNames []string `yaml:"commonNames"`
}

// Headers returns the headers that can pass a certificate on, in canonical form.
func Headers() []string {
	return []string{clientCert, "X-Forwarded-Client-Cert", "X-Ssl-Client-Cert", "Ssl-Client-Cert", "X-Client-Cert", "X-Amzn-Mtls-Clientcert"}
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It reports faults with their lines.
func (c *Config) UnmarshalYAML(n *yaml.Node) error {
	type plain Config
	return strictyaml.Decode(n, (*plain)(c), c.faults)
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It reports faults with their lines.
func (f *Forwarded) UnmarshalYAML(n *yaml.Node) error {
	type plain Forwarded
	return strictyaml.Decode(n, (*plain)(f), f.faults)
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It reports faults with their lines.
func (p *Proxies) UnmarshalYAML(n *yaml.Node) error {
	type plain Proxies
	return strictyaml.Decode(n, (*plain)(p), p.faults)
}

func (c *Config) faults() (all []strictyaml.Fault) {
	if c.CertificateAuthority == "" {
		all = append(all, strictyaml.Faultf("name the file with the CAs of callers' certificates").At("certificateAuthority"))
	}
	if c.Forwarded != nil && c.CertificateAuthority != "" && c.Forwarded.Proxies.CertificateAuthority == c.CertificateAuthority {
		all = append(all, strictyaml.Faultf("it is the file of the callers' CAs; proxies need a CA of their own, "+
			"or a caller who gets a certificate with a proxy's name can be anybody").At("forwarded", "proxies", "certificateAuthority"))
	}
	return all
}

func (f *Forwarded) faults() (all []strictyaml.Fault) {
	if f.canonical() == "" {
		all = append(all, strictyaml.Faultf("%q cannot pass a certificate on; use one of %s", f.Header, strings.Join(Headers(), ", ")).At("header"))
	}
	if reflect.DeepEqual(f.Proxies, Proxies{}) {
		all = append(all, strictyaml.Faultf("say which proxies may pass certificates on, by certificateAuthority and commonNames").At("proxies"))
	}
	return all
}

func (p *Proxies) faults() (all []strictyaml.Fault) {
	if p.CertificateAuthority == "" {
		all = append(all, strictyaml.Faultf("name the file with the CAs of the proxies' certificates").At("certificateAuthority"))
	}
	if len(p.CommonNames) == 0 {
		all = append(all, strictyaml.Faultf("want at least one, or no proxy is trusted").At("commonNames"))
	}
	for i, name := range p.CommonNames {
		if name == "" {
			all = append(all, strictyaml.Faultf("it is empty").At("commonNames", i))
		}
	}
	return all
}

// check returns the first fault of a configuration that was not read from a file.
func (c *Config) check() error {
	faults := c.faults()
	if c.Forwarded != nil {
		faults = append(append(faults, c.Forwarded.faults()...), c.Forwarded.Proxies.faults()...)
	}
	return strictyaml.First(faults)
}

// canonical returns the header in canonical form, "" if it is not one of [Headers].
func (f *Forwarded) canonical() string {
	for _, h := range Headers() {
		if http.CanonicalHeaderKey(f.Header) == h {
			return h
		}
	}
	return ""
}
