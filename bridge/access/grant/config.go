package grant

import (
	"errors"
	"reflect"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/expr"
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
		return strictyaml.Errorf(n, "want a mapping from patterns to labels, such as prod.acme: {labels: {env: prod}}")
	}
	var plain map[string]Cluster
	faults := []error{strictyaml.DecodeInto(n, &plain)}
	seen := make(map[access.Pattern]string, len(plain))
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			continue // told already
		}
		p, err := access.ParsePattern(key.Value)
		if err != nil {
			faults = append(faults, strictyaml.In(n, strictyaml.Faultf("%w", err).At(key.Value)))
			continue
		}
		if other, twice := seen[p]; twice && other != key.Value {
			faults = append(faults, strictyaml.In(n, strictyaml.Faultf("it is the same as %q", other).At(key.Value)))
		}
		seen[p] = key.Value
	}
	*c = plain
	return errors.Join(faults...)
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
	if n.Kind != yaml.SequenceNode {
		return strictyaml.Errorf(n, `want a list of grants, each of which begins with "- "`)
	}
	var all []Grant
	err := strictyaml.DecodeInto(n, &all)
	*l = all
	return errors.Join(err, strictyaml.In(n, append(l.unknownApproved(), l.taken()...)...))
}

// taken are the faults of grants whose names others have.
func (l List) taken() (all []strictyaml.Fault) {
	names := make(map[string]bool, len(l))
	for i := range l {
		if name := l[i].Name; name != "" && names[name] {
			all = append(all, strictyaml.Faultf("another grant has the name %q", name).At(i, "name"))
		}
		names[l[i].Name] = true
	}
	return all
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
	return strictyaml.Decode(n, (*plain)(g), g.faults)
}

// faults are those of a grant, beside those of its parts.
func (g *Grant) faults() (all []strictyaml.Fault) {
	add := func(key, format string, args ...any) {
		all = append(all, strictyaml.Faultf(format, args...).At(key))
	}
	if err := subjects.CheckName(g.Name); err != nil {
		add("name", "%w", err)
	}
	if len(g.Clusters) == 0 {
		add("clusters", "none given; [\"*\"] means all")
	}
	if g.Requests != nil && len(g.Requests) == 0 {
		add("requests", "the list is empty; without the key every request is allowed")
	}
	about := g.aboutCaller()
	switch {
	case g.When != nil && len(g.When) == 0:
		add("when", "the list is empty")
	case g.Callers != "" && g.Callers != Anyone:
		add("callers", "%q is not known; conditions on the caller stand under when, and \"anyone\" means that there are none", g.Callers)
	case !about && g.Callers == "":
		all = append(all, strictyaml.Faultf("no condition is about the caller; if everyone may use the grant, say callers: anyone").At("when").Unless("callers"))
	case about && g.Callers != "":
		add("callers", "the grant is for anyone, but a condition under when is about the caller")
	}
	all = append(all, g.approvalFaults()...)
	switch {
	case g.approvesOnly():
	case reflect.DeepEqual(g.As, As{}):
		add("as", "none given: say as whom requests are executed, by agent: true or by user")
	default:
		for _, f := range g.As.faults() {
			all = append(all, strictyaml.Faultf("%w", f.Error()).At("as"))
		}
	}
	return all
}

// aboutCaller reports whether a condition looks at the caller.
func (g *Grant) aboutCaller() bool {
	for _, c := range g.When {
		if p, err := c.compile(); err == nil && aboutCaller(p) {
			return true
		}
	}
	return false
}

func aboutCaller(p *expr.Program) bool { return mentions(p, "caller.") || p.Mentions("claims") }
