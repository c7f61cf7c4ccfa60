package keys

import (
	"fmt"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

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

// newOperator makes the operator, the system account and the bridges' key. The
// operator requires signing keys, so that the identities of operator and
// accounts sign nothing and can be kept away.
func (l *Layout) newOperator(o InitOptions) error {
	operatorKey, err := l.newKey(nkeys.CreateOperator, "operator.nk")
	if err != nil {
		return err
	}
	signingKey, err := l.newKey(nkeys.CreateOperator, "operator-signing.nk")
	if err != nil {
		return err
	}
	systemKey, err := l.newKey(nkeys.CreateAccount, "system.nk")
	if err != nil {
		return err
	}
	systemSigningKey, err := l.newKey(nkeys.CreateAccount, "system-signing.nk")
	if err != nil {
		return err
	}
	if _, err := l.newKey(nkeys.CreateAccount, "bridge.nk"); err != nil {
		return err
	}
	identity, err := ReadKey(l.KeyFile("operator.nk"))
	if err != nil {
		return err
	}
	defer identity.Wipe()
	signer, err := ReadKey(l.KeyFile("operator-signing.nk"))
	if err != nil {
		return err
	}
	defer signer.Wipe()

	operator := jwt.NewOperatorClaims(operatorKey)
	operator.Name = o.Operator
	operator.SigningKeys.Add(signingKey)
	operator.StrictSigningKeyUsage = true
	operator.SystemAccount = systemKey
	// nsc push goes by the scheme; the connection becomes TLS all the same.
	operator.AccountServerURL = "nats" + strings.TrimPrefix(o.BrokerURL(), "tls")
	operator.OperatorServiceURLs.Add(o.BrokerURL())
	operatorJWT, err := operator.Encode(identity)
	if err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	if err := writeNew(l.OperatorFile(), []byte(operatorJWT+"\n"), publicMode); err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	systemJWT, err := l.SignAccount(systemClaims(systemKey, systemSigningKey), signer)
	if err != nil {
		return err
	}
	if err := writeNew(l.SystemFile(), []byte(systemJWT+"\n"), publicMode); err != nil {
		return fmt.Errorf("system account: %w", err)
	}
	return nil
}
