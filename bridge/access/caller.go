package access

import (
	"net/http"

	"github.com/fairlead-io/fairlead/subjects"
)

// Caller is who sent a request.
type Caller struct {
	// Name appears in logs; it is no secret.
	Name string
	// Clusters are the grants of a caller that [Grants] decides about.
	Clusters []Pattern
	// Lease ends when what the other fields say no longer holds: the credential
	// is not valid any more, or somebody else's, or its grants are others. nil:
	// it holds for good.
	Lease *Lease
}

// Authenticator finds out who sent a request. It is safe for concurrent use.
type Authenticator interface {
	// Authenticate returns the caller, or an error whose text may be shown to
	// who sent the request. It must not read the body.
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
