package token

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
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

// UnmarshalYAML implements [yaml.Unmarshaler], to report an unknown key in the
// file's own terms.
func (f *tokensFile) UnmarshalYAML(n *yaml.Node) error {
	if err := checkKeys(n, "tokens"); err != nil {
		return err
	}
	type plain tokensFile
	return n.Decode((*plain)(f))
}

// UnmarshalYAML implements [yaml.Unmarshaler], as that of tokensFile.
func (e *tokenEntry) UnmarshalYAML(n *yaml.Node) error {
	if err := checkKeys(n, "name", "hash", "clusters", "owner", "expires"); err != nil {
		return err
	}
	// A token whose end was left out by mistake must not be one without an end.
	for i := 0; i < len(n.Content); i += 2 {
		v := n.Content[i+1]
		if v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		if v.ShortTag() == "!!null" {
			return fmt.Errorf("line %d: key %q has no value", n.Content[i].Line, n.Content[i].Value)
		}
	}
	type plain tokenEntry
	return n.Decode((*plain)(e))
}

// checkKeys demands a mapping with no other keys.
func checkKeys(n *yaml.Node, known ...string) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want a mapping with the keys %s", n.Line, strings.Join(known, ", "))
	}
	for i := 0; i < len(n.Content); i += 2 {
		if k := n.Content[i]; !slices.Contains(known, k.Value) {
			return fmt.Errorf("line %d: unknown key %q, want %s", k.Line, k.Value, strings.Join(known, ", "))
		}
	}
	return nil
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

func parseTokens(b []byte) (tokenSet, error) {
	var f tokensFile
	if err := yaml.NewDecoder(bytes.NewReader(b)).Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	set := make(tokenSet, len(f.Tokens))
	names := make(map[string]bool, len(f.Tokens))
	for i := range f.Tokens {
		e := &f.Tokens[i]
		t, err := e.parse()
		if err == nil && names[e.Name] {
			err = fmt.Errorf("name %q is taken", e.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("tokens[%d]: %w", i, err)
		}
		names[e.Name] = true
		bucket := [8]byte(t.digest[:8])
		for _, other := range set[bucket] {
			if other.digest == t.digest {
				return nil, fmt.Errorf("tokens[%d]: has the same hash as %q", i, other.caller.Name)
			}
		}
		set[bucket] = append(set[bucket], t)
	}
	return set, nil
}

func (e *tokenEntry) parse() (token, error) {
	t := token{caller: &access.Caller{Name: e.Name, Method: access.MethodToken}}
	if err := subjects.CheckName(e.Name); err != nil {
		return token{}, err
	}
	digits, ok := strings.CutPrefix(e.Hash, hashPrefix)
	digest, err := hex.DecodeString(digits)
	if !ok || err != nil || len(digest) != sha256.Size {
		return token{}, fmt.Errorf("hash of %q: want %q and 64 hex digits; \"fairlead-bridge token new\" makes one", e.Name, hashPrefix)
	}
	t.digest = [sha256.Size]byte(digest)
	if e.Clusters == nil {
		return token{}, fmt.Errorf("clusters of %q: none given; \"*\" means all, and [] those of grants alone", e.Name)
	}
	if err := e.parseRest(t.caller); err != nil {
		return token{}, err
	}
	for _, s := range e.Clusters {
		p, err := access.ParsePattern(s)
		if err != nil {
			return token{}, fmt.Errorf("clusters of %q: %w", e.Name, err)
		}
		t.caller.Clusters = append(t.caller.Clusters, p)
	}
	return t, nil
}

// ownerKey is the attribute of a caller that names its owner, for audit.
const ownerKey = "owner"

// maxOwner bounds the owner in bytes: a mail address has at most 254.
const maxOwner = 254

// parseRest reads what may be absent.
func (e *tokenEntry) parseRest(c *access.Caller) error {
	if len(e.Owner) > maxOwner || strings.ContainsFunc(e.Owner, unicode.IsControl) {
		return fmt.Errorf("owner of %q: longer than %d bytes, or with a control character", e.Name, maxOwner)
	}
	if e.Owner != "" {
		c.Extra = map[string][]string{ownerKey: {e.Owner}}
	}
	if e.Expires == "" {
		return nil
	}
	var err error
	if c.Expires, err = time.Parse(time.RFC3339, e.Expires); err != nil {
		return fmt.Errorf("expires of %q: %q is not a time such as 2027-01-31T12:00:00Z", e.Name, e.Expires)
	}
	return nil
}
