package policy

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access/clientcert"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/access/oidc"
	"github.com/fairlead-io/fairlead/bridge/access/webhook"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// Config is the access file. Its values are plain, so that two versions can be
// compared.
type Config struct {
	Authentication Authentication `yaml:"authentication"`
	Authorization  Authorization  `yaml:"authorization"`
	// Clusters are labels of clusters, for conditions.
	Clusters grant.Clusters `yaml:"clusters"`
	// Grants are asked in their order.
	Grants grant.List `yaml:"grants"`
	// Limits are those for everyone; nil: none.
	Limits *limit.Config `yaml:"limits"`
	// Approvals and Audit are read at the start alone.
	Approvals Approvals    `yaml:"approvals"`
	Audit     audit.Config `yaml:"audit"`
	// Recording says where sessions are recorded whose grant demands it.
	Recording record.Config `yaml:"recording"`
}

// Authentication says how callers are recognized, beside the tokens of the bridge's
// own file.
type Authentication struct {
	// ClientCertificates is nil where the server asks for none.
	ClientCertificates *clientcert.Config `yaml:"clientCertificates"`
	OIDC               oidc.Config        `yaml:"oidc"`
	// TokenReview is asked about tokens that nobody else knows; nil: nobody is.
	TokenReview *webhook.TokenReviewConfig `yaml:"tokenReview"`
}

// Authorization says who else decides what callers may do.
type Authorization struct {
	// SubjectAccessReview is asked about requests that no grant allows; nil: nobody
	// is.
	SubjectAccessReview *webhook.AccessReviewConfig `yaml:"subjectAccessReview"`
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *Config) UnmarshalYAML(n *yaml.Node) error {
	type plain Config
	return strictyaml.Decode(n, (*plain)(c))
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (a *Authentication) UnmarshalYAML(n *yaml.Node) error {
	type plain Authentication
	return strictyaml.Decode(n, (*plain)(a))
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (a *Authorization) UnmarshalYAML(n *yaml.Node) error {
	type plain Authorization
	return strictyaml.Decode(n, (*plain)(a))
}

// Summary says what the file has, for people.
func (c *Config) Summary() string {
	s := fmt.Sprintf("issuers of ID tokens: %d, grants: %d", len(c.Authentication.OIDC), len(c.Grants))
	for _, part := range []struct {
		name string
		has  bool
	}{
		{"client certificates", c.Authentication.ClientCertificates != nil},
		{"token reviews", c.Authentication.TokenReview != nil},
		{"access reviews", c.Authorization.SubjectAccessReview != nil},
	} {
		if part.has {
			s += ", " + part.name
		}
	}
	return s
}
