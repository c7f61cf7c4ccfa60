package identity

import (
	"errors"
	"fmt"
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

// The errors of [Tokens].
var (
	ErrNoCredentials = errors.New("no bearer token was sent")
	ErrScheme        = errors.New("the Authorization header is not of the form \"Bearer TOKEN\"")
	ErrInvalidToken  = errors.New("the bearer token is not valid here")
	// ErrClusterToken is what tools run into that make a service account in the
	// cluster and use its token at the URL of the kubeconfig.
	ErrClusterToken = errors.New("the bearer token is a JSON Web Token, such as a cluster's own service account token, " +
		"which this bridge does not accept: send a token of the bridge (fl_...)")
)

// Grants is the [Authorizer] that looks at [Caller].Clusters.
type Grants struct{}

// Authorize implements [Authorizer].
func (Grants) Authorize(c *Caller, ref subjects.ClusterRef) error {
	for i := range c.Clusters {
		if c.Clusters[i].Match(ref) {
			return nil
		}
	}
	return fmt.Errorf("caller %q has no grant for cluster %q", c.Name, ref)
}

// AuthorizeTenant implements [Authorizer].
func (Grants) AuthorizeTenant(c *Caller, tenant string) bool {
	for i := range c.Clusters {
		if t := c.Clusters[i].tenant; t == "" || t == tenant {
			return true
		}
	}
	return false
}
