package tenant

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// explainRefusal says why the broker may refuse the bridge; nil if err is not a
// refusal. It wraps err. A broker has one error text for most causes, and the bridge,
// which has no more rights than its tenants, cannot ask for details.
func explainRefusal(err error) error {
	switch {
	case errors.Is(err, nats.ErrAccountAuthExpired):
		return fmt.Errorf("the tenant's account has expired: %w", err)
	case errors.Is(err, nats.ErrAuthExpired):
		return fmt.Errorf("the user that the bridge has minted has expired (do the clocks differ?): %w", err)
	case errors.Is(err, nats.ErrAuthRevoked):
		return fmt.Errorf("the tenant's account revokes the bridge's users: %w", err)
	case errors.Is(err, nats.ErrAuthorization):
		return fmt.Errorf("the account in tenants.yaml is not pushed to this broker, or has expired, or is not the tenant's, "+
			"or does not list the bridge's signing key with role bridge: %w", err)
	}
	return nil
}
