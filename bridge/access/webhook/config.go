package webhook

import (
	"reflect"
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
	return strictyaml.Decode(n, (*plain)(c), c.faults)
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It reports faults with their lines.
func (c *AccessReviewConfig) UnmarshalYAML(n *yaml.Node) error {
	type plain AccessReviewConfig
	return strictyaml.Decode(n, (*plain)(c), c.faults)
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It reports faults with their lines.
func (c *Cache) UnmarshalYAML(n *yaml.Node) error {
	type plain Cache
	return strictyaml.Decode(n, (*plain)(c), c.faults)
}

func (c *TokenReviewConfig) faults() (all []strictyaml.Fault) {
	if c.Kubeconfig == "" {
		all = append(all, noKubeconfig)
	}
	if c.Audiences != nil && (len(c.Audiences) == 0 || slices.Contains(c.Audiences, "")) {
		all = append(all, strictyaml.Faultf("want at least one, and none that is empty; without the key the service decides").At("audiences"))
	}
	return all
}

func (c *AccessReviewConfig) faults() (all []strictyaml.Fault) {
	if c.Kubeconfig == "" {
		all = append(all, noKubeconfig)
	}
	if reflect.DeepEqual(c.As, grant.As{}) {
		all = append(all, strictyaml.Faultf("none given: say as whom requests are executed, by agent: true or by user").At("as"))
	}
	return all
}

var noKubeconfig = strictyaml.Faultf("name the file that leads to the service").At("kubeconfig")

func (c *Cache) faults() (all []strictyaml.Fault) {
	for _, d := range []struct {
		key  string
		kept time.Duration
	}{{"allowed", c.Allowed}, {"denied", c.Denied}} {
		if d.kept != 0 && (d.kept < minKept || d.kept > maxKept) {
			all = append(all, strictyaml.Faultf("%v is not between %v and %v", d.kept, minKept, maxKept).At(d.key))
		}
	}
	return all
}

// check returns the first fault of a configuration that was not read from a file.
func (c *TokenReviewConfig) check() error {
	return strictyaml.First(append(c.faults(), c.Cache.faults()...))
}

func (c *AccessReviewConfig) check() error {
	if _, err := c.As.Identities(); err != nil {
		return err
	}
	return strictyaml.First(append(c.faults(), c.Cache.faults()...))
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
