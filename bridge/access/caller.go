package access

import (
	"net/http"

	"github.com/fairlead-io/fairlead/subjects"
)

// Caller is the user or program that sent a request.
type Caller struct {
	// Name appears in logs; it is not a secret.
	Name string
	// Clusters are the caller's grants, which [Grants] reads.
	Clusters []Pattern
	// Lease ends when the other fields are out of date: the credential is no
	// longer valid, belongs to another caller, or has other grants. nil means that
	// they never change.
	Lease *Lease
}

// Authenticator identifies the sender of a request. It is safe for concurrent use.
type Authenticator interface {
	// Authenticate returns the caller, or an error whose text may be shown to
	// the sender. It must not read the body.
	Authenticate(r *http.Request) (*Caller, error)
}

// Authorizer decides which clusters a caller may reach. It is safe for
// concurrent use.
type Authorizer interface {
	// Authorize returns nil, or an error whose text may be shown to the caller.
	Authorize(c *Caller, ref subjects.ClusterRef) error
	// AuthorizeTenant reports whether the caller may reach any cluster of the
	// tenant.
	AuthorizeTenant(c *Caller, tenant string) bool
}
