package keys

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const natsConfigHead = `# Whom brokers trust, by 'fairlead-broker nats-config': it holds no keys.
# fairlead-broker run --nats-config FILE --guard-creds ... --tls-cert ... --tls-key ...
operator: %s
system_account: %s

resolver {
    type: full
    # Relative to this file; --resolver-dir names another.
    dir: './jwt'
}

# What a node without any accounts starts with. What has been pushed since is
# newer, and counts.
resolver_preload: {
`

// NATSConfig is what the directory says of trust as one file, in the form of
// "nsc generate config --nats-resolver": for brokers that are given a file
// rather than a directory of their own, as in a container. Beyond what nsc
// writes it has the accounts of the tenants, so that nothing needs to be pushed
// before the first agent connects.
func (l *Layout) NATSConfig() (string, error) {
	operator, err := l.Operator()
	if err != nil {
		return "", err
	}
	token, err := ReadToken(l.OperatorFile())
	if err != nil {
		return "", fmt.Errorf("operator: %w", err)
	}
	tenants, err := l.Tenants()
	if err != nil {
		return "", err
	}
	var text strings.Builder
	fmt.Fprintf(&text, natsConfigHead, token, operator.SystemAccount)
	preload := func(name, account string) error {
		token, err := ReadToken(l.AccountFile(account))
		if err != nil {
			return fmt.Errorf("account %s: %w", name, err)
		}
		fmt.Fprintf(&text, "    # %s\n    %s: %s,\n", name, account, token)
		return nil
	}
	if err := preload("system account", operator.SystemAccount); err != nil {
		return "", err
	}
	for _, name := range slices.Sorted(maps.Keys(tenants)) {
		if err := preload(name, tenants[name]); err != nil {
			return "", err
		}
	}
	account, _, err := l.Platform()
	if err == nil {
		err = preload("platform", account)
	}
	if err != nil && !errors.Is(err, ErrNoPlatform) {
		return "", err
	}
	text.WriteString("}\n")
	return text.String(), nil
}
