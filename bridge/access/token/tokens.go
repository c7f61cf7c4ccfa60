package token

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	tokenPrefix = "fl_"
	hashPrefix  = "sha256:"
)

// Tokens is the [access.Authenticator] of a file:
//
//	tokens:
//	  - name: ci
//	    hash: "sha256:<64 hex digits>"
//	    clusters: ["prod.acme", "*.lab"]
//
// The file is read again within a second of a change. If a token has been removed
// or now has another name or other clusters, the lease of its caller ends.
type Tokens struct {
	file *reload.File[tokenSet]
}

// tokenSet finds callers by the digest of their token. The first bytes of the
// digest choose a bucket, so that many tokens cost no more than one, and the
// rest is compared in constant time. The time to choose a bucket reveals nothing
// about a token, as no caller can choose its digest.
type tokenSet map[[8]byte][]token

type token struct {
	digest [sha256.Size]byte
	caller *access.Caller
}

// Open reads the file, which must be good.
func Open(path string, log *slog.Logger) (*Tokens, error) {
	var current tokenSet // parsing is never concurrent
	f, err := reload.Open("tokens", path, log, func(b []byte) (tokenSet, error) {
		set, err := parseTokens(b)
		if err != nil {
			return nil, err
		}
		set.succeed(current)
		current = set
		return set, nil
	})
	if err != nil {
		return nil, err
	}
	return &Tokens{file: f}, nil
}

// Run notices changes of the file until ctx ends, then it returns nil. Without
// it they are noticed only when requests arrive, and nothing would end the lease
// of a caller whose requests are all running already.
func (t *Tokens) Run(ctx context.Context) error { return t.file.Run(ctx) }

// Authenticate implements [access.Authenticator].
func (t *Tokens) Authenticate(r *http.Request) (*access.Caller, error) {
	bearer, err := access.Bearer(r)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(bearer))
	if c := t.file.Get().find(digest); c != nil {
		return c, nil
	}
	switch {
	case strings.HasPrefix(bearer, tokenPrefix):
		return nil, ErrInvalidToken
	case isJWT(bearer):
		return nil, ErrClusterToken
	}
	return nil, errForeignToken
}

// The reasons why a bearer token is not accepted. One of the bridge's own form is
// refused for good; others may be known to another authenticator.
var (
	ErrInvalidToken       = errors.New("the bearer token is not valid here")
	errForeignToken error = unrecognized{ErrInvalidToken}
	// ErrClusterToken is for tools that create a service account in the cluster
	// and use its token with the URL of the kubeconfig.
	ErrClusterToken error = unrecognized{errors.New("the bearer token is a JSON Web Token, such as a cluster's own service account token, " +
		"which this bridge does not accept: send a token of the bridge (fl_...)")}
)

// unrecognized is an error that is [access.ErrUnrecognized] too.
type unrecognized struct{ error }

func (e unrecognized) Is(target error) bool { return target == access.ErrUnrecognized }

func (e unrecognized) Unwrap() error { return e.error }

// isJWT reports whether a token looks like a JSON Web Token in compact form
// (RFC 7515 section 7.1): three parts, and a header that names an algorithm.
func isJWT(token string) bool {
	head, rest, _ := strings.Cut(token, ".")
	if strings.Count(rest, ".") != 1 {
		return false
	}
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return false
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	return json.Unmarshal(b, &header) == nil && header.Algorithm != ""
}

// find returns the caller with a token of that digest, nil if there is none.
func (s tokenSet) find(digest [sha256.Size]byte) *access.Caller {
	bucket := s[[8]byte(digest[:8])]
	for i := range bucket {
		if subtle.ConstantTimeCompare(bucket[i].digest[:], digest[:]) == 1 {
			return bucket[i].caller
		}
	}
	return nil
}

// succeed makes s the successor of old: it takes over callers that have not
// changed, and ends the leases of the others. It must be called before s is
// visible to others; a request that gets a caller of old in the meantime finds
// that its lease has ended.
func (s tokenSet) succeed(old tokenSet) {
	for _, bucket := range s {
		for i := range bucket {
			t := &bucket[i]
			if before := old.find(t.digest); before != nil && same(before, t.caller) {
				t.caller = before
			}
		}
	}
	for _, bucket := range old {
		for i := range bucket {
			if now := s.find(bucket[i].digest); now != bucket[i].caller {
				bucket[i].caller.Lease.End(now)
			}
		}
	}
}

func same(c, other *access.Caller) bool {
	return c.Name == other.Name && slices.Equal(c.Clusters, other.Clusters)
}

// New returns a fresh token and the hash that goes into the file.
func New() (token, hash string) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails since Go 1.24
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	digest := sha256.Sum256([]byte(token))
	return token, hashPrefix + hex.EncodeToString(digest[:])
}

type tokensFile struct {
	Tokens []tokenEntry `yaml:"tokens"`
}

type tokenEntry struct {
	Name     string   `yaml:"name"`
	Hash     string   `yaml:"hash"`
	Clusters []string `yaml:"clusters,flow"`
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
	if err := checkKeys(n, "name", "hash", "clusters"); err != nil {
		return err
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

// Entry returns the lines to add to a tokens file. name must be a DNS label.
func Entry(name, hash string, clusters []string) (string, error) {
	e := tokenEntry{Name: name, Hash: hash, Clusters: clusters}
	if _, err := e.parse(); err != nil {
		return "", err
	}
	b, err := yaml.Marshal([]tokenEntry{e})
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
	t := token{caller: &access.Caller{Name: e.Name, Method: access.MethodToken, Lease: access.NewLease()}}
	if err := subjects.CheckName(e.Name); err != nil {
		return token{}, err
	}
	digits, ok := strings.CutPrefix(e.Hash, hashPrefix)
	digest, err := hex.DecodeString(digits)
	if !ok || err != nil || len(digest) != sha256.Size {
		return token{}, fmt.Errorf("hash of %q: want %q and 64 hex digits; \"fairlead-bridge token new\" makes one", e.Name, hashPrefix)
	}
	t.digest = [sha256.Size]byte(digest)
	if len(e.Clusters) == 0 {
		return token{}, fmt.Errorf("clusters of %q: none given; \"*\" means all", e.Name)
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
