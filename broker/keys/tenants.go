package keys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"
	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/subjects"
)

// Tenants returns the tenants: account public keys by name.
func (l *Layout) Tenants() (map[string]string, error) {
	b, err := os.ReadFile(l.TenantsFile())
	if err != nil {
		return nil, fmt.Errorf("tenants: %w", err)
	}
	var entries map[string]tenantEntry
	if err := yaml.Unmarshal(b, &entries); err != nil {
		return nil, fmt.Errorf("tenants: %s: %w", l.TenantsFile(), err)
	}
	tenants := make(map[string]string, len(entries))
	for name, e := range entries {
		tenants[name] = e.Account
	}
	return tenants, nil
}

// tenantEntry is an account's public key, or a mapping that has more to say to
// the bridge.
type tenantEntry struct {
	Account string `yaml:"account"`
}

// UnmarshalYAML takes both forms.
func (e *tenantEntry) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&e.Account)
	}
	type plain tenantEntry
	return n.Decode((*plain)(e))
}

// appendTenant adds a line to the file of tenants and leaves what is there as
// it is, comments and all.
func (l *Layout) appendTenant(name, account string) error {
	b, err := os.ReadFile(l.TenantsFile())
	if err != nil {
		return fmt.Errorf("tenants: %w", err)
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, '\n')
	}
	b = fmt.Appendf(b, "%s: %s\n", name, account)
	if err := replaceFile(l.TenantsFile(), b, publicMode); err != nil {
		return fmt.Errorf("tenants: %w", err)
	}
	return nil
}

// account returns the account key of a tenant.
func (l *Layout) account(tenant string) (string, error) {
	if err := subjects.CheckName(tenant); err != nil {
		return "", fmt.Errorf("tenant %w", err)
	}
	tenants, err := l.Tenants()
	if err != nil {
		return "", err
	}
	key, ok := tenants[tenant]
	if !ok {
		return "", fmt.Errorf("tenant %q is not in %s; 'fairlead-broker tenant add' makes one", tenant, l.TenantsFile())
	}
	return key, nil
}

// AddTenant makes a tenant: its keys, its account JWT in the resolver's
// directory, its line in tenants.yaml. A running broker learns of it by
// [Layout.Push]. The name must be a DNS label that is not in use.
func (l *Layout) AddTenant(name string) (accountJWT string, err error) {
	if err := subjects.CheckName(name); err != nil {
		return "", fmt.Errorf("tenant %w", err)
	}
	tenants, err := l.Tenants()
	if err != nil {
		return "", err
	}
	if _, exists := tenants[name]; exists {
		return "", fmt.Errorf("tenant %q exists in %s; to notify brokers: fairlead-broker push --dir %s --tenant %s --server URL", name, l.TenantsFile(), l.dir, name)
	}
	signer, err := ReadKey(l.KeyFile("operator-signing.nk"))
	if err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	defer signer.Wipe()
	bridge, err := ReadKey(l.BridgeKeyFile())
	if err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	defer bridge.Wipe()
	bridgeKey, err := bridge.PublicKey()
	if err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	keys := l.KeyFile("tenants", name)
	if err := os.MkdirAll(filepath.Dir(keys), dirMode); err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	if err := os.Mkdir(keys, dirMode); err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(keys))
		}
	}()
	account, err := l.newKey(nkeys.CreateAccount, "tenants", name, "account.nk")
	if err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	agentKey, err := l.newKey(nkeys.CreateAccount, "tenants", name, "agent.nk")
	if err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	accountJWT, err = l.SignAccount(TenantClaims(name, account, agentKey, bridgeKey), signer)
	if err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	if err := l.appendTenant(name, account); err != nil {
		return "", fmt.Errorf("add tenant: %w", err)
	}
	return accountJWT, nil
}

// AccountJWT is a tenant's account as the directory has it, for [Layout.Push].
func (l *Layout) AccountJWT(tenant string) (string, error) {
	account, err := l.account(tenant)
	if err != nil {
		return "", err
	}
	token, err := ReadToken(l.AccountFile(account))
	if err != nil {
		return "", fmt.Errorf("account of tenant %q: %w", tenant, err)
	}
	return token, nil
}
