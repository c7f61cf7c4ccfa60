package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// maxWebhooks bounds the webhooks of a file: each has a goroutine and a lease.
	maxWebhooks = 100
	// maxSecrets bounds the secrets of a webhook: the next, the current and the last one.
	maxSecrets = 3
)

// Config is the file of webhooks.
type Config struct {
	Webhooks []Hook `yaml:"webhooks"`
}

// Hook is a webhook of the file.
type Hook struct {
	// Name is a DNS label: how far it is, is kept by it.
	Name string `yaml:"name"`
	URL  string `yaml:"url"`
	// SecretFiles have the secrets with which each request is signed: the current one
	// first, and others while receivers change to it.
	SecretFiles []string `yaml:"secretFiles"`
	// Types are the only ones that it gets, such as cluster.disconnected or operation.*;
	// none: all.
	Types []string `yaml:"types"`
	// Tenants are the only ones; none: all.
	Tenants []string `yaml:"tenants"`
	// Clusters are patterns of the only ones; none: all.
	Clusters []string `yaml:"clusters"`
	// CertificateAuthority is a file of the CAs of its server; "": the system's.
	CertificateAuthority string `yaml:"certificateAuthority"`
	// AllowHTTP allows a URL with http, to a loopback address.
	AllowHTTP bool `yaml:"allowHTTP"`

	types    []events.Type
	clusters []access.Pattern
}

// Parse reads the content of a file. The faults of its error are those of
// [strictyaml.Faults], each with its line and key.
func Parse(content []byte) (*Config, error) {
	c := &Config{}
	return c, strictyaml.UnmarshalSecret(content, c)
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *Config) UnmarshalYAML(n *yaml.Node) error {
	type plain Config
	return strictyaml.DecodeSecret(n, (*plain)(c), c.faults)
}

func (c *Config) faults() (all []strictyaml.Fault) {
	if len(c.Webhooks) > maxWebhooks {
		all = append(all, strictyaml.Faultf("%d webhooks, and %d are possible", len(c.Webhooks), maxWebhooks).At("webhooks"))
	}
	known := map[string]bool{}
	for i := range c.Webhooks {
		name := c.Webhooks[i].Name
		if known[name] && name != "" {
			all = append(all, strictyaml.Faultf("another webhook has this name").At("webhooks", i, "name"))
		}
		known[name] = true
	}
	return all
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (h *Hook) UnmarshalYAML(n *yaml.Node) error {
	type plain Hook
	return strictyaml.DecodeSecret(n, (*plain)(h), h.faults)
}

func (h *Hook) faults() (all []strictyaml.Fault) {
	if subjects.CheckName(h.Name) != nil {
		all = append(all, strictyaml.Faultf("%w", subjects.ErrName).At("name"))
	}
	if err := h.checkURL(); err != nil {
		all = append(all, strictyaml.Faultf("%w", err).At("url"))
	}
	if n := len(h.SecretFiles); n == 0 || n > maxSecrets {
		all = append(all, strictyaml.Faultf("want 1 to %d files with secrets", maxSecrets).At("secretFiles"))
	}
	for i, t := range h.Types {
		types := events.Matching(t)
		if len(types) == 0 {
			all = append(all, strictyaml.Faultf("not a type of events, nor all of a group such as operation.*").At("types", i))
		}
		h.types = append(h.types, types...)
	}
	for i, t := range h.Tenants {
		if subjects.CheckName(t) != nil {
			all = append(all, strictyaml.Faultf("the name of a tenant: %w", subjects.ErrName).At("tenants", i))
		}
	}
	for i, c := range h.Clusters {
		p, err := access.ParsePattern(c)
		if err != nil {
			all = append(all, strictyaml.Faultf("want a cluster such as prod.acme, *.acme for all of a tenant, or *").At("clusters", i))
		}
		h.clusters = append(h.clusters, p)
	}
	return all
}

// checkURL says what is wrong with the URL, and does not show it: there may be a secret in
// it.
func (h *Hook) checkURL() error {
	u, err := url.Parse(h.URL)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(h.URL, " \t\r\n"):
		return errors.New("want a URL such as https://hooks.example.com/fairlead")
	case u.User != nil || u.Fragment != "":
		return errors.New("a URL of a webhook has neither a user nor a fragment")
	case u.Scheme == "https":
		return nil
	case !h.AllowHTTP || !loopback(u.Hostname()):
		return errors.New("want https: events would cross the network in the clear (allowHTTP: true allows http to a loopback address)")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// where is the URL without what may be secret in it.
func (h *Hook) where() string {
	u, err := url.Parse(h.URL)
	if err != nil { // it was checked
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// matches reports whether the webhook gets an event.
func (h *Hook) matches(e *events.Event) bool {
	ref := subjects.ClusterRef{Tenant: e.Tenant, Cluster: e.Cluster}
	return (len(h.types) == 0 || slices.Contains(h.types, e.Type)) &&
		(len(h.Tenants) == 0 || slices.Contains(h.Tenants, e.Tenant)) &&
		(len(h.clusters) == 0 || slices.ContainsFunc(h.clusters, func(p access.Pattern) bool { return p.Match(ref) }))
}

// filter is what can be said of the webhook's events for a read.
func (h *Hook) filter() *events.Filter {
	f := &events.Filter{Types: h.types}
	if len(h.Tenants) == 1 {
		f.Tenant = h.Tenants[0]
	}
	return f
}

// Summary says what the file has, in a few words.
func (c *Config) Summary() string {
	if len(c.Webhooks) == 1 {
		return "1 webhook"
	}
	return fmt.Sprintf("%d webhooks", len(c.Webhooks))
}
