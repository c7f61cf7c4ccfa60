package policy

import (
	"context"
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

// Approvals is the section of the file about approvals.
type Approvals struct {
	// File is where access requests are kept, in a folder that exists; "": in none.
	File string `yaml:"file"`
	// Shared keeps them in the bridges' shared store. Without it and without a file no
	// grant may require an approval.
	Shared bool `yaml:"shared"`
}

// Shared is what a bridge has in the shared store. The zero value is a bridge without
// one.
type Shared struct {
	// Approvals makes the store of approvals; nil: there is none.
	Approvals func() approval.Store
	// Recordings takes recordings; nil: there is no place for them.
	Recordings record.Vault
}

// kept reports whether approvals are kept anywhere.
func (a *Approvals) kept() bool { return a.File != "" || a.Shared }

// UnmarshalYAML implements [yaml.Unmarshaler].
func (a *Approvals) UnmarshalYAML(n *yaml.Node) error {
	type plain Approvals
	return strictyaml.Decode(n, (*plain)(a), a.faults)
}

func (a *Approvals) faults() (all []strictyaml.Fault) {
	if a.Shared && a.File != "" {
		all = append(all, strictyaml.Faultf("the section has a file too: approvals are kept in one of both").At("shared"))
	}
	return all
}

// errNoStore says what a section that is shared needs.
func errNoStore(section string) error {
	return fmt.Errorf("%s.shared: this bridge has no shared store: give it --store-account and --store-key", section)
}

// openDesk opens the store of approvals when the policy is opened, and says later that
// another one needs a start.
func (p *Policy) openDesk(c Approvals) (err error) {
	switch {
	case p.opened == nil:
		if c.kept() && !p.checks {
			if err := p.open(&c); err != nil {
				return err
			}
		}
		p.opened = &c
	case !reflect.DeepEqual(c, *p.opened):
		p.log.Warn("section approvals of the access file has changed: the bridge must be started again for that to take effect")
	}
	return nil
}

func (p *Policy) open(c *Approvals) (err error) {
	switch {
	case !c.Shared:
		p.desk, err = approval.OpenFile(c.File)
	case p.shared.Approvals == nil:
		err = errNoStore("approvals")
	default:
		p.desk, err = approval.Open(p.shared.Approvals())
	}
	return err
}

// approvals are those that grants may require; nil: none.
func (p *Policy) approvals() grant.Approvals {
	switch {
	case p.desk != nil:
		return p.desk
	case p.checks && p.opened.kept():
		return nobody{}
	}
	return nil
}

// nobody has an approval while a file is only checked.
type nobody struct{}

func (nobody) Active(*access.Caller, string, subjects.ClusterRef) (context.Context, error) {
	return nil, nil
}

// Approvals is where access is asked for and approved; nil if the file has no section
// approvals.
func (p *Policy) Approvals() *approval.Service {
	if p.desk == nil {
		return nil
	}
	return &approval.Service{Desk: p.desk}
}
