package allow

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// config is the file, as its owner writes it.
type config struct {
	ReadOnly *bool  `yaml:"readOnly"`
	Exec     *bool  `yaml:"exec"`
	Secrets  *bool  `yaml:"secrets"`
	As       *as    `yaml:"as"`
	Requests []rule `yaml:"requests"` // nil: every request
}

// UnmarshalYAML refuses unknown keys and keys without a value: one whose list was
// commented out would otherwise allow everything.
func (c *config) UnmarshalYAML(n *yaml.Node) error {
	type plain config
	return strictyaml.Decode(n, (*plain)(c))
}

// Parse reads a list. own is the agent's own namespace, where the list lies; "" where
// the agent is not in the cluster. Errors say the line at fault.
func Parse(content []byte, own string) (*List, error) {
	var c config
	if err := strictyaml.Unmarshal(content, &c); err != nil {
		return nil, err
	}
	if c.ReadOnly == nil && c.Exec == nil && c.Secrets == nil && c.As == nil && c.Requests == nil {
		return nil, errors.New("it says nothing: a list has at least one of the keys readOnly, exec, secrets, as, requests")
	}
	return &List{config: c, own: own}, nil
}

// checkPattern accepts a string with at most one *, at its end.
func checkPattern(p string) error {
	if p == "" {
		return errors.New("it is empty")
	}
	if i := strings.IndexByte(p, '*'); i >= 0 && i < len(p)-1 {
		return fmt.Errorf("%q: a * is only allowed at the end", p)
	}
	return nil
}

// matches reports whether a pattern covers s. The pattern "*" covers "" too.
func matches(pattern, s string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(s, prefix)
	}
	return pattern == s
}
