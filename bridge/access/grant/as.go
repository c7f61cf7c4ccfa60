package grant

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/expr"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

// As says as whom requests are executed: as the agent itself, or as a user.
type As struct {
	Agent  bool             `yaml:"agent"`
	User   Text             `yaml:"user"`
	Groups Texts            `yaml:"groups"`
	UID    Text             `yaml:"uid"`
	Extra  map[string]Texts `yaml:"extra"`
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (a *As) UnmarshalYAML(n *yaml.Node) error {
	type plain As
	return strictyaml.Decode(n, (*plain)(a), a.faults)
}

func (a *As) faults() (all []strictyaml.Fault) {
	switch {
	case a.Agent && (a.User != "" || a.Groups != "" || a.UID != "" || a.Extra != nil):
		all = append(all, strictyaml.Faultf("agent: true excludes user, groups, uid and extra").At("agent"))
	case !a.Agent && a.User == "":
		all = append(all, strictyaml.Faultf("give agent: true, or user").At("user").Unless("agent"))
	}
	for _, k := range slices.Sorted(maps.Keys(a.Extra)) {
		if k == "" || k != strings.ToLower(k) || !clean(k) {
			all = append(all, strictyaml.Faultf("the key %q is not in lower case", k).At("extra", k))
		}
	}
	return all
}

// identity makes a user from what is known of a caller.
type identity struct {
	user, uid *expr.Program // uid may be nil
	groups    *expr.Program // may be nil
	extra     map[string]*expr.Program
}

// compile returns nil for the agent itself.
func (a *As) compile() (*identity, error) {
	if a.Agent {
		return nil, nil
	}
	id := &identity{}
	var err error
	if id.user, err = a.User.compile(); err != nil {
		return nil, fmt.Errorf("user: %w", err)
	}
	if a.UID != "" {
		if id.uid, err = a.UID.compile(); err != nil {
			return nil, fmt.Errorf("uid: %w", err)
		}
	}
	if a.Groups != "" {
		if id.groups, err = a.Groups.compile(); err != nil {
			return nil, fmt.Errorf("groups: %w", err)
		}
	}
	for k, x := range a.Extra {
		p, err := x.compile()
		if err != nil {
			return nil, fmt.Errorf("extra %q: %w", k, err)
		}
		if id.extra == nil {
			id.extra = make(map[string]*expr.Program, len(a.Extra))
		}
		id.extra[k] = p
	}
	return id, nil
}

// of makes the user for a caller. nil is the agent itself.
func (id *identity) of(ctx context.Context, vars cel.Activation) (*subjects.Identity, error) {
	if id == nil {
		return nil, nil
	}
	user, err := id.user.String(ctx, vars)
	if err == nil {
		err = named(id.user, user)
	}
	if err != nil {
		return nil, fmt.Errorf("user: %w", err)
	}
	made := &subjects.Identity{User: user}
	if id.uid != nil {
		if made.UID, err = id.uid.String(ctx, vars); err == nil && !clean(made.UID) {
			err = errUnclean
		}
		if err != nil {
			return nil, fmt.Errorf("uid: %w", err)
		}
	}
	if id.groups != nil {
		if made.Groups, err = texts(ctx, id.groups, vars, named); err != nil {
			return nil, fmt.Errorf("groups: %w", err)
		}
	}
	for k, p := range id.extra {
		values, err := texts(ctx, p, vars, valued)
		if err != nil {
			return nil, fmt.Errorf("extra %q: %w", k, err)
		}
		if made.Extra == nil {
			made.Extra = make(map[string][]string, len(id.extra))
		}
		made.Extra[k] = values
	}
	if err := made.Prepare(); err != nil { // larger than a head may hold
		return nil, err
	}
	return made, nil
}

// Identities makes the users as whom callers act, where something other than a grant
// lets them in. It is safe for concurrent use.
type Identities struct{ as *identity }

// Identities compiles the expressions.
func (a *As) Identities() (*Identities, error) {
	if f := a.faults(); len(f) > 0 {
		return nil, fmt.Errorf("as: %w", f[0].Error())
	}
	as, err := a.compile()
	if err != nil {
		return nil, fmt.Errorf("as: %w", err)
	}
	return &Identities{as}, nil
}

// Of returns the user as whom a caller acts; nil: the agent itself. The error says
// why there is none, in one line.
func (i *Identities) Of(ctx context.Context, c *access.Caller) (*subjects.Identity, error) {
	return i.as.of(ctx, &vars{caller: c})
}

func texts(ctx context.Context, p *expr.Program, vars cel.Activation, check func(*expr.Program, string) error) ([]string, error) {
	all, err := p.Strings(ctx, vars)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if err := check(p, s); err != nil {
			return nil, err
		}
	}
	return slices.Clip(all), nil
}

var (
	errEmpty   = errors.New("it is empty")
	errUnclean = errors.New("it has a control character, a space at an end, or bytes that are not UTF-8")
)

// named checks the name of a user or group. One of Kubernetes' own, such as
// system:masters, must stand in the expression as it is: no claim can make it.
func named(p *expr.Program, s string) error {
	if err := valued(p, s); err != nil {
		return err
	}
	if isSystem(s) && !p.HasLiteral(s) {
		return fmt.Errorf("%q is a name of Kubernetes' own, which must stand in the expression as it is", answer.Clip(s))
	}
	return nil
}

func valued(_ *expr.Program, s string) error {
	switch {
	case s == "":
		return errEmpty
	case !clean(s):
		return errUnclean
	}
	return nil
}

// isSystem reports whether a user or group is one of Kubernetes' own. Its API server
// compares names as they are; an authorizer behind it may fold them.
func isSystem(s string) bool {
	const prefix = "system:"
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// clean reports whether s can be the value of a header and comes out of it the same.
func clean(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) && strings.TrimSpace(s) == s
}
