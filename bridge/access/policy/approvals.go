package policy

import (
	"context"
	"reflect"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

// Approvals is the section of the file about approvals.
type Approvals struct {
	// File is where access requests are kept, in a folder that exists; "": no grant
	// may require an approval.
	File string `yaml:"file"`
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (a *Approvals) UnmarshalYAML(n *yaml.Node) error {
	type plain Approvals
	return strictyaml.Decode(n, (*plain)(a))
}

// openDesk opens the file of approvals when the policy is opened, and says later that
// another one needs a start.
func (p *Policy) openDesk(c Approvals) (err error) {
	switch {
	case p.opened == nil:
		if c.File != "" && !p.checks {
			if p.desk, err = approval.OpenFile(c.File); err != nil {
				return err
			}
		}
		p.opened = &c
	case !reflect.DeepEqual(c, *p.opened):
		p.log.Warn("section approvals of the access file has changed: the bridge must be started again for that to take effect")
	}
	return nil
}

// approvals are those that grants may require; nil: none.
func (p *Policy) approvals() grant.Approvals {
	switch {
	case p.desk != nil:
		return p.desk
	case p.checks && p.opened.File != "":
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
