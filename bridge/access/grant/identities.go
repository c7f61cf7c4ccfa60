package grant

import (
	"context"
	"fmt"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/subjects"
)

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
