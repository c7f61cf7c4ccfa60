package keys

import "github.com/nats-io/jwt/v2"

// AccountSigners are the public keys that operators vouch for: an account that
// one of them signed is taken by a broker that trusts the operator.
func AccountSigners(operators ...*jwt.OperatorClaims) map[string]bool {
	signers := map[string]bool{}
	for _, op := range operators {
		for _, k := range op.SigningKeys {
			signers[k] = true
		}
		if !op.StrictSigningKeyUsage {
			signers[op.Subject] = true
		}
	}
	return signers
}
