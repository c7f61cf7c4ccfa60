package token

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

type tokensFile struct {
	Tokens []tokenEntry `yaml:"tokens"`
}

type tokenEntry struct {
	Name     string   `yaml:"name"`
	Hash     string   `yaml:"hash"`
	Clusters []string `yaml:"clusters,flow"` // nil: the key is missing
	Owner    string   `yaml:"owner,omitempty"`
	Expires  string   `yaml:"expires,omitempty"` // as time.RFC3339
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It reports each fault with its line.
func (f *tokensFile) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "tokens" && n.Content[1].ShortTag() == "!!null" {
		return nil // no tokens
	}
	type plain tokensFile
	return strictyaml.DecodeSecret(n, (*plain)(f), f.faults)
}

// faults are those of tokens whose names or hashes others have. As those of entries, they
// show no value of the file but names that are good: a token may stand there by mistake.
func (f *tokensFile) faults() (all []strictyaml.Fault) {
	names, hashes := make(map[string]bool), make(map[string]string)
	for i := range f.Tokens {
		e := &f.Tokens[i]
		if names[e.Name] && subjects.CheckName(e.Name) == nil {
			all = append(all, strictyaml.Faultf("another token has the name %q", e.Name).At("tokens", i, "name"))
		}
		if other, taken := hashes[e.Hash]; taken && e.Hash != "" && subjects.CheckName(other) == nil {
			all = append(all, strictyaml.Faultf("token %q has the same hash", other).At("tokens", i, "hash"))
		}
		names[e.Name], hashes[e.Hash] = true, e.Name
	}
	return all
}

// UnmarshalYAML implements [yaml.Unmarshaler]. A key without a value is a fault: a token
// whose end was left out by mistake must not be one without an end.
func (e *tokenEntry) UnmarshalYAML(n *yaml.Node) error {
	type plain tokenEntry
	return strictyaml.DecodeSecret(n, (*plain)(e), e.faults)
}

// Option is what an entry may have besides.
type Option func(*tokenEntry)

// Owner names the person or team that answers for a token.
func Owner(name string) Option { return func(e *tokenEntry) { e.Owner = name } }

// Expires is when a token ends, to the second.
func Expires(at time.Time) Option {
	return func(e *tokenEntry) { e.Expires = at.UTC().Format(time.RFC3339) }
}

// newEntry makes an entry, and checks it.
func newEntry(name, hash string, clusters []string, options []Option) (*tokenEntry, error) {
	e := &tokenEntry{Name: name, Hash: hash, Clusters: clusters}
	for _, o := range options {
		o(e)
	}
	_, err := e.parse()
	return e, err
}

// Entry returns the lines to add to a tokens file. name must be a DNS label. Without
// any clusters, which may not be nil then, the token has what grants give it.
func Entry(name, hash string, clusters []string, options ...Option) (string, error) {
	e, err := newEntry(name, hash, clusters, options)
	if err != nil {
		return "", err
	}
	b, err := yaml.Marshal([]*tokenEntry{e})
	if err != nil {
		return "", fmt.Errorf("encode token entry: %w", err)
	}
	return string(b), nil
}

// Names returns the names of the tokens in a file with such a content. The faults of its
// error are those of [strictyaml.Faults], each with its line.
func Names(content []byte) (names []string, err error) {
	set, err := parseTokens(content)
	for _, bucket := range set {
		for i := range bucket {
			names = append(names, bucket[i].caller.Name)
		}
	}
	slices.Sort(names)
	return names, err
}

func parseTokens(b []byte) (tokenSet, error) {
	var f tokensFile
	if err := strictyaml.UnmarshalSecret(b, &f); err != nil {
		return nil, err
	}
	set := make(tokenSet, len(f.Tokens))
	for i := range f.Tokens {
		t, err := f.Tokens[i].parse()
		if err != nil {
			return nil, fmt.Errorf("tokens[%d]: %w", i, err)
		}
		bucket := [8]byte(t.digest[:8])
		set[bucket] = append(set[bucket], t)
	}
	return set, nil
}

// maxOwner bounds the owner in bytes: a mail address has at most 254.
const maxOwner = 254

func (e *tokenEntry) faults() (all []strictyaml.Fault) {
	add := func(err error, at ...any) {
		if err != nil {
			all = append(all, strictyaml.Faultf("%w", err).At(at...))
		}
	}
	if subjects.CheckName(e.Name) != nil {
		add(subjects.ErrName, "name")
	}
	_, err := e.digest()
	add(err, "hash")
	if e.Clusters == nil {
		add(errors.New("none given; [\"*\"] means all, and [] those of grants alone"), "clusters")
	}
	for i, s := range e.Clusters {
		if _, err := access.ParsePattern(s); err != nil {
			add(errors.New("want a pattern such as prod, prod.acme, *.acme or *, of DNS labels"), "clusters", i)
		}
	}
	if len(e.Owner) > maxOwner || strings.ContainsFunc(e.Owner, unicode.IsControl) {
		add(fmt.Errorf("it is longer than %d bytes, or has a control character", maxOwner), "owner")
	}
	_, err = e.end()
	add(err, "expires")
	return all
}

// digest returns the digest of the token. Its error does not show the hash, where the
// token itself may stand by mistake.
func (e *tokenEntry) digest() (d [sha256.Size]byte, err error) {
	digits, ok := strings.CutPrefix(e.Hash, hashPrefix)
	digest, err := hex.DecodeString(digits)
	if !ok || err != nil || len(digest) != sha256.Size {
		return d, fmt.Errorf("want %q and 64 hex digits; \"fairlead-bridge token new\" makes one", hashPrefix)
	}
	return [sha256.Size]byte(digest), nil
}

// end returns when the token ends; the zero time: never.
func (e *tokenEntry) end() (time.Time, error) {
	if e.Expires == "" {
		return time.Time{}, nil
	}
	end, err := time.Parse(time.RFC3339, e.Expires)
	if err != nil {
		return end, errors.New("it is not a time such as 2027-01-31T12:00:00Z")
	}
	return end, nil
}

func (e *tokenEntry) parse() (token, error) {
	if err := strictyaml.First(e.faults()); err != nil {
		return token{}, err
	}
	t := token{caller: &access.Caller{Name: e.Name, Method: access.MethodToken}}
	t.digest, _ = e.digest() // without a fault
	t.caller.Expires, _ = e.end()
	if e.Owner != "" {
		t.caller.Extra = map[string][]string{ownerKey: {e.Owner}}
		t.caller.CountBy = e.Owner // who can have many tokens
	}
	for _, s := range e.Clusters {
		p, err := access.ParsePattern(s)
		if err != nil {
			return token{}, err
		}
		t.caller.Clusters = append(t.caller.Clusters, p)
	}
	return t, nil
}

// ownerKey is the attribute of a caller that names its owner, for audit.
const ownerKey = "owner"
