package grant

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

// Config is the part of the access file that says who may do what. Its types check
// themselves when they are decoded, so that each fault has its line; values are
// plain, so that two files can be compared.
type Config struct {
	Clusters Clusters `yaml:"clusters"`
	Grants   List     `yaml:"grants"`
	// Approvals are those that grants may require; nil: none can.
	Approvals Approvals `yaml:"-"`
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *Config) UnmarshalYAML(n *yaml.Node) error {
	type plain Config
	return strictyaml.Decode(n, (*plain)(c))
}

// Clusters has the labels of clusters by their patterns, as [access.ParsePattern]
// reads them. Where several match a cluster, the labels of the more specific one
// count: prod.acme before *.acme before *.
type Clusters map[string]Cluster

// Cluster is what the operator says about clusters.
type Cluster struct {
	Labels map[string]string `yaml:"labels"`
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *Clusters) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return strictyaml.Errorf(n, "clusters: want a mapping from patterns to labels, such as prod.acme: {labels: {env: prod}}")
	}
	all := make(Clusters, len(n.Content)/2)
	seen := make(map[access.Pattern]string, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		p, err := access.ParsePattern(key.Value)
		if err != nil {
			return strictyaml.Errorf(key, "clusters: %w", err)
		}
		if other, twice := seen[p]; twice {
			return strictyaml.Errorf(key, "clusters: %q and %q are the same", other, key.Value)
		}
		seen[p] = key.Value
		var cluster Cluster
		if err := n.Content[i+1].Decode(&cluster); err != nil {
			return strictyaml.Errorf(n.Content[i+1], "%w", err)
		}
		all[key.Value] = cluster
	}
	*c = all
	return nil
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *Cluster) UnmarshalYAML(n *yaml.Node) error {
	type plain Cluster
	return strictyaml.Decode(n, (*plain)(c))
}

// List is the grants in their order, which counts.
type List []Grant

// UnmarshalYAML implements [yaml.Unmarshaler].
func (l *List) UnmarshalYAML(n *yaml.Node) error {
	var all struct {
		Grants []Grant `yaml:"grants"`
	}
	// As the value of a key, so that the faults of all grants are told.
	wrapped := &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "grants", Line: n.Line}, n}}
	if err := strictyaml.Decode(wrapped, &all); err != nil {
		return err
	}
	*l = all.Grants
	if i, err := l.unknownApproved(); err != nil {
		return strictyaml.Errorf(n.Content[i], "%w", err)
	}
	if i, err := l.unique(); err != nil {
		return strictyaml.Errorf(n.Content[i], "%w", err)
	}
	return nil
}

// unique returns the index of a grant whose name another one has.
func (l List) unique() (int, error) {
	names := make(map[string]bool, len(l))
	for i := range l {
		if names[l[i].Name] {
			return i, fmt.Errorf("grant %q: the name is taken by another grant", l[i].Name)
		}
		names[l[i].Name] = true
	}
	return 0, nil
}

// Anyone is the value of [Grant.Callers] for every caller that was authenticated.
const Anyone = "anyone"

// Grant says that these callers may make these requests to these clusters, as this
// user.
type Grant struct {
	// Name is a DNS label, for answers, logs and audit.
	Name     string    `yaml:"name"`
	Clusters []Pattern `yaml:"clusters"`
	// Callers is empty, or Anyone where no condition is about the caller.
	Callers string `yaml:"callers"`
	// When has conditions, all of which must be true.
	When []Condition `yaml:"when"`
	// Requests has rules, one of which must match; nil: every request.
	Requests       []Rule       `yaml:"requests"`
	As             As           `yaml:"as"`
	MayImpersonate *Impersonate `yaml:"mayImpersonate"`
	// Requires is empty, or Approval where each caller must have been approved for the
	// grant.
	Requires string `yaml:"requires"`
	// MaxDuration bounds an approval; 0 stands for defaultApproval.
	MaxDuration time.Duration `yaml:"maxDuration"`
	// Approves are the names of grants that the callers of this one may approve. A
	// grant without As is for that alone.
	Approves []string `yaml:"approves"`
	// Record demands that exec and attach are recorded, and sessions of other kinds
	// refused.
	Record bool `yaml:"record"`
	// Limits are those of all callers together that the grant lets in.
	Limits limit.Limits `yaml:"limits"`
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (g *Grant) UnmarshalYAML(n *yaml.Node) error {
	type plain Grant
	if err := strictyaml.Decode(n, (*plain)(g)); err != nil {
		return err
	}
	return g.check().in(n)
}

// check reports the first fault of a grant whose parts are good.
func (g *Grant) check() *fault {
	if err := subjects.CheckName(g.Name); err != nil {
		return faultf("name", "grant: %w", err)
	}
	switch {
	case len(g.Clusters) == 0:
		return faultf("clusters", "grant %q: clusters: none given; \"*\" means all", g.Name)
	case g.Requests != nil && len(g.Requests) == 0:
		return faultf("requests", "grant %q: requests: empty; without the key every request is allowed", g.Name)
	case g.When != nil && len(g.When) == 0:
		return faultf("when", "grant %q: when: empty", g.Name)
	case g.Callers != "" && g.Callers != Anyone:
		return faultf("callers", "grant %q: callers: %q is not known; conditions on the caller stand under when, and \"anyone\" means that there are none", g.Name, g.Callers)
	}
	about, err := g.aboutCaller()
	switch {
	case err != nil:
		return faultf("when", "grant %q: %w", g.Name, err)
	case !about && g.Callers == "":
		return faultf("name", "grant %q: no condition under when is about the caller; if everyone may use the grant, say callers: anyone", g.Name)
	case about && g.Callers != "":
		return faultf("callers", "grant %q: callers: anyone, but a condition under when is about the caller", g.Name)
	}
	if f := g.checkApproval(); f != nil || g.approvesOnly() {
		return f
	}
	if f := g.As.check(); f != nil {
		return faultf("as", "grant %q: as: %w", g.Name, f.err)
	}
	return nil
}

// aboutCaller reports whether a condition looks at the caller.
func (g *Grant) aboutCaller() (bool, error) {
	for _, c := range g.When {
		p, err := c.compile()
		if err != nil {
			return false, err
		}
		if mentions(p, "caller.") || p.Mentions("claims") {
			return true, nil
		}
	}
	return false, nil
}
