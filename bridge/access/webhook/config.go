package webhook

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// How long answers are kept.
const (
	// minKept keeps a service from being asked for each request of a burst.
	minKept = time.Second
	// maxKept bounds how long a service cannot take an answer back.
	maxKept = time.Hour
)

// TokenReviewConfig says who reviews tokens.
type TokenReviewConfig struct {
	// Kubeconfig is the file that leads to the service. It is read again when it
	// changes.
	Kubeconfig string `yaml:"kubeconfig"`
	// Audiences are those for which a token must be; nil: the service's own.
	Audiences []string `yaml:"audiences"`
	// Cache defaults to 2m for allowed and 30s for denied.
	Cache Cache `yaml:"cache"`
}

// AccessReviewConfig says who decides what callers may do.
type AccessReviewConfig struct {
	// Kubeconfig is the file that leads to the service. It is read again when it
	// changes.
	Kubeconfig string `yaml:"kubeconfig"`
	// Cache defaults to 30s for allowed and 10s for denied.
	Cache Cache `yaml:"cache"`
	// As says as whom the agent executes what the service allows.
	As grant.As `yaml:"as"`
}

// Cache says how long answers are kept; 0 stands for the default.
type Cache struct {
	Allowed time.Duration `yaml:"allowed"`
	Denied  time.Duration `yaml:"denied"`
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It reports faults with their lines.
func (c *TokenReviewConfig) UnmarshalYAML(n *yaml.Node) error {
	type plain TokenReviewConfig
	if err := strictyaml.Decode(n, (*plain)(c)); err != nil {
		return err
	}
	return at(n, c.check())
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It reports faults with their lines.
func (c *AccessReviewConfig) UnmarshalYAML(n *yaml.Node) error {
	type plain AccessReviewConfig
	if err := strictyaml.Decode(n, (*plain)(c)); err != nil {
		return err
	}
	return at(n, c.check())
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It reports faults with their lines.
func (c *Cache) UnmarshalYAML(n *yaml.Node) error {
	type plain Cache
	if err := strictyaml.Decode(n, (*plain)(c)); err != nil {
		return err
	}
	return at(n, c.check())
}

func at(n *yaml.Node, err error) error {
	if err == nil {
		return nil
	}
	return strictyaml.Errorf(n, "%w", err)
}

func (c *TokenReviewConfig) check() error {
	if c.Kubeconfig == "" {
		return errNoKubeconfig
	}
	if c.Audiences != nil && (len(c.Audiences) == 0 || slices.Contains(c.Audiences, "")) {
		return errors.New("audiences: want at least one, and none that is empty; without the key the service decides")
	}
	return c.Cache.check()
}

func (c *AccessReviewConfig) check() error {
	if c.Kubeconfig == "" {
		return errNoKubeconfig
	}
	if _, err := c.As.Identities(); err != nil {
		return err
	}
	return c.Cache.check()
}

var errNoKubeconfig = errors.New("kubeconfig: name the file that leads to the service")

func (c *Cache) check() error {
	for _, d := range []time.Duration{c.Allowed, c.Denied} {
		if d != 0 && (d < minKept || d > maxKept) {
			return fmt.Errorf("cache: %v is not between %v and %v", d, minKept, maxKept)
		}
	}
	return nil
}

// or returns c with defaults.
func (c Cache) or(allowed, denied time.Duration) Cache {
	if c.Allowed == 0 {
		c.Allowed = allowed
	}
	if c.Denied == 0 {
		c.Denied = denied
	}
	return c
}
