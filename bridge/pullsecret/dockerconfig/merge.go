package dockerconfig

import (
	"encoding/json"
	"errors"
	"strings"
)

// ErrMalformed is that a document is not one that entries can be added to.
var ErrMalformed = errors.New("not a docker config with an object \"auths\"")

// Merge returns the document with the given logins in it, instead of those that it has
// for the same registries, and otherwise as it was. An empty document gives a new one. No
// two logins are for the same registry. The error is ErrMalformed.
func Merge(document []byte, logins []Login) ([]byte, error) {
	top := map[string]json.RawMessage{}
	auths := map[string]json.RawMessage{}
	if len(document) > 0 {
		fields, err := object(document)
		if err != nil {
			return nil, ErrMalformed
		}
		for _, f := range fields {
			if !strings.EqualFold(f.key, "auths") {
				top[f.key] = f.value
			}
		}
		if auths, err = entries(last(fields, "auths")); err != nil {
			return nil, err
		}
	}
	replaced := map[Registry]bool{}
	for _, l := range logins {
		replaced[l.Registry] = true
	}
	for key := range auths {
		if r, err := parseRegistry(key); err == nil && replaced[r] {
			delete(auths, key)
		}
	}
	for _, l := range logins {
		auths[l.Registry.Key()] = l.entry()
	}
	b, err := json.Marshal(auths)
	if err == nil {
		top["auths"] = b
		b, err = json.Marshal(top)
	}
	if err != nil { // the values were read as JSON
		return nil, ErrMalformed
	}
	return b, nil
}

func entries(v json.RawMessage) (map[string]json.RawMessage, error) {
	auths := map[string]json.RawMessage{}
	if isNull(v) {
		return auths, nil
	}
	fields, err := object(v)
	if err != nil {
		return nil, ErrMalformed
	}
	for _, f := range fields {
		auths[f.key] = f.value
	}
	return auths, nil
}
