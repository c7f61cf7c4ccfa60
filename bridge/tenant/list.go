package tenant

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/nats-io/nkeys"
	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/reload"
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
// No tenants are written {}. A file without content is refused, and a running
// bridge keeps the list that it has: such a file is a write that failed, and would
// otherwise end the requests of every tenant.
func OpenList(path string, log *slog.Logger) (*reload.File[List], error) {
	return reload.Open("tenants", path, log, parseList)
}

func parseList(b []byte) (List, error) {
	var l List
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&l); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if l == nil { // nothing, only comments, or null
		return nil, errors.New("the file names no tenants; if there are to be none, write {}")
	}
	for name, e := range l {
		if err := subjects.CheckName(name); err != nil {
			return nil, fmt.Errorf("tenant %w", err)
		}
		if !nkeys.IsValidPublicAccountKey(e.Account) {
			return nil, fmt.Errorf("tenant %q: account is not the public key of a NATS account (A...)", name)
		}
		for _, c := range e.Clusters {
			if err := subjects.CheckName(c); err != nil {
				return nil, fmt.Errorf("tenant %q: cluster %w", name, err)
			}
		}
	}
	return l, nil
}

// UnmarshalYAML takes the short form too.
func (e *Entry) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&e.Account)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		// A decoder's KnownFields does not reach into UnmarshalYAML.
		if k := n.Content[i].Value; k != "account" && k != "clusters" {
			return fmt.Errorf("line %d: unknown key %q", n.Content[i].Line, k)
		}
	}
	type plain Entry
	return n.Decode((*plain)(e))
}
