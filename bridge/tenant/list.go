package tenant

import (
	"errors"
	"log/slog"
	"maps"
	"slices"

	"github.com/nats-io/nkeys"
	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

// Entry is a tenant of the list.
type Entry struct {
	// Account is the public key of the tenant's NATS account.
	Account string `yaml:"account"`
	// Clusters, if given, is the complete list of the tenant's clusters.
	// Without it, every name may yet connect.
	Clusters []string `yaml:"clusters"`
}

// List is the tenants by name.
type List map[string]Entry

// OpenList reads the file of tenants, which is read again within a second of a
// change:
//
//	acme: ACIB...                # name: public key of the NATS account
//	lab:
//	  account: ADXQ...
//	  clusters: [prod, staging]  # optional: any other name is unknown
//
// Each tenant has an account of its own. No tenants are written {}. A file without content is refused, and a running
// bridge keeps the list that it has: such a file is a write that failed, and would
// otherwise end the requests of every tenant.
func OpenList(path string, log *slog.Logger) (*reload.File[List], error) {
	return reload.Open("tenants", path, log, ParseList)
}

// ParseList reads the content of a file of tenants. The faults of its error are those of
// [strictyaml.Faults], each with its line and key.
func ParseList(content []byte) (List, error) {
	var l List
	if err := strictyaml.Unmarshal(content, &l); err != nil {
		return nil, err
	}
	if l == nil { // nothing, only comments, or null
		return nil, errors.New("the file names no tenants; if there are to be none, write {}")
	}
	return l, nil
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (l *List) UnmarshalYAML(n *yaml.Node) error {
	err := strictyaml.DecodeInto(n, (*map[string]Entry)(l))
	var faults []strictyaml.Fault
	of := make(map[string]string) // tenants by account
	for _, name := range slices.Sorted(maps.Keys(*l)) {
		account := (*l)[name].Account
		if other := of[account]; other != "" && account != "" {
			faults = append(faults, strictyaml.Faultf("tenant %q has this account too: a tenant is an account, and callers of either would reach the clusters of both", other).At(name))
		}
		of[account] = name
		if subjects.CheckName(name) != nil {
			faults = append(faults, strictyaml.Faultf("the name of a tenant: %w", subjects.ErrName).At(name))
		}
	}
	return strictyaml.Join(err, strictyaml.In(n, faults...))
}

// accountKey is the length of an account's public key. The decoder of nkeys ignores a
// character that follows it.
const accountKey = 56

func isAccount(s string) bool { return len(s) == accountKey && nkeys.IsValidPublicAccountKey(s) }

var errAccount = errors.New("want the public key of a NATS account (A...)")

// UnmarshalYAML takes the short form too.
func (e *Entry) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		if e.Account = n.Value; !isAccount(e.Account) {
			return strictyaml.Errorf(n, "%w", errAccount)
		}
		return nil
	}
	type plain Entry
	return strictyaml.Decode(n, (*plain)(e), e.faults)
}

func (e *Entry) faults() (all []strictyaml.Fault) {
	if !isAccount(e.Account) {
		all = append(all, strictyaml.Faultf("%w", errAccount).At("account"))
	}
	for i, c := range e.Clusters {
		if subjects.CheckName(c) != nil {
			all = append(all, strictyaml.Faultf("the name of a cluster: %w", subjects.ErrName).At("clusters", i))
		}
	}
	return all
}
