package clientcert

import (
	"errors"
	"fmt"
	"net/http"
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
	if err := strictyaml.Decode(n, (*plain)(c)); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return strictyaml.Errorf(n, "%w", err)
	}
	return nil
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It reports faults with their lines.
func (f *Forwarded) UnmarshalYAML(n *yaml.Node) error {
	type plain Forwarded
	if err := strictyaml.Decode(n, (*plain)(f)); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return strictyaml.Errorf(n, "%w", err)
	}
	return nil
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It reports faults with their lines.
func (p *Proxies) UnmarshalYAML(n *yaml.Node) error {
	type plain Proxies
	return strictyaml.Decode(n, (*plain)(p))
}

// check returns the first fault of the configuration.
func (c *Config) check() error {
	if c.CertificateAuthority == "" {
		return errors.New("certificateAuthority: name the file with the CAs of callers' certificates")
	}
	if c.Forwarded == nil {
		return nil
	}
	if c.Forwarded.Proxies.CertificateAuthority == c.CertificateAuthority {
		return errors.New("forwarded.proxies.certificateAuthority: is the file of the callers' CAs; " +
			"proxies need a CA of their own, or a caller who gets a certificate with a proxy's name can be anybody")
	}
	return c.Forwarded.check()
}

func (f *Forwarded) check() error {
	if f.canonical() == "" {
		return fmt.Errorf("header: %q cannot pass a certificate on; use one of %s", f.Header, strings.Join(Headers(), ", "))
	}
	if f.Proxies.CertificateAuthority == "" {
		return errors.New("proxies.certificateAuthority: name the file with the CAs of the proxies' certificates")
	}
	if len(f.Proxies.CommonNames) == 0 {
		return errors.New("proxies.commonNames: want at least one, or no proxy is trusted")
	}
	for _, name := range f.Proxies.CommonNames {
		if name == "" {
			return errors.New("proxies.commonNames: one of them is empty")
		}
	}
	return nil
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
