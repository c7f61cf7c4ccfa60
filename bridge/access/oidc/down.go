package oidc

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

// causeOf returns the fields of the log that say why an issuer was not reached: the cause
// of the catalogue, and for a forward proxy what to do about it. An error that is not one
// of a connection has none.
func causeOf(err error) []any {
	f := classify.Error(cause.Kubernetes, "read the issuer's keys", err)
	switch {
	case f.Cause == cause.Unknown:
		return nil
	case f.Hop == cause.Proxy:
		return []any{"hop", string(f.Hop), "cause", string(f.Cause), "do", f.ForService().Cure()}
	}
	return []any{"cause", string(f.Cause)}
}

// Down says which issuers' keys could not be read the last time, and why: one line each,
// without addresses, in the order of the issuers' names.
func (a *Authenticator) Down() (all []string) {
	why := make(map[string]string)
	for _, i := range a.issuers {
		if text := i.keys.down(); text != "" {
			why[i.config.Name] = text
		}
	}
	for _, name := range slices.Sorted(maps.Keys(why)) {
		all = append(all, fmt.Sprintf("issuer %s %s", name, why[name]))
	}
	return all
}

// down says why the last reading failed, "" if it did not.
func (k *keyring) down() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		return ""
	}
	return k.err.Error()
}
