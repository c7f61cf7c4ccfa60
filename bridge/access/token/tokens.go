package token

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/deploy/reload"
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
//	    clusters: ["prod.acme", "*.lab"] # [] where grants alone decide
//	    owner: shop-team                 # may be absent
//	    expires: 2027-01-31T12:00:00Z    # may be absent
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

// Status returns how the tokens in use and the file stand. It does not block.
func (t *Tokens) Status() reload.Status { return t.file.Status() }

// Authenticate implements [access.Authenticator].
func (t *Tokens) Authenticate(r *http.Request) (*access.Caller, error) { return access.ByBearer(t, r) }

// AuthenticateBearer implements [access.BearerAuthenticator].
func (t *Tokens) AuthenticateBearer(_ context.Context, bearer access.Credential) (*access.Caller, error) {
	if c := t.file.Get().find(bearer.Digest); c != nil {
		if !c.Expires.IsZero() && !time.Now().Before(c.Expires) {
			return nil, fmt.Errorf("%w at %s", ErrExpired, c.Expires.Format(time.RFC3339))
		}
		return c, nil
	}
	switch {
	case strings.HasPrefix(bearer.Token, tokenPrefix):
		return nil, ErrInvalidToken
	case isJWT(bearer.Token):
		return nil, ErrClusterToken
	}
	return nil, errForeignToken
}

// The reasons why a bearer token is not accepted. One of the bridge's own form is
// refused for good; others may be known to another authenticator.
var (
	ErrExpired            = errors.New("the bearer token has expired")
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

// isJWT reports whether a token looks like a JSON Web Token in compact form (RFC 7515
// section 7.1): three parts, the first of which is a JSON object in base64url. It is
// not decoded, as every ID token comes by here.
func isJWT(token string) bool {
	return strings.HasPrefix(token, "eyJ") && strings.Count(token, ".") == 2
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
// changed, gives leases to the others, and ends those of old ones. It must be called
// before s is visible to others; a request that gets a caller of old in the meantime
// finds that its lease has ended.
func (s tokenSet) succeed(old tokenSet) {
	for _, bucket := range s {
		for i := range bucket {
			t := &bucket[i]
			if before := old.find(t.digest); before != nil && same(before, t.caller) {
				t.caller = before
			} else if t.caller.Expires.IsZero() {
				t.caller.Lease = access.NewLease()
			} else {
				t.caller.Lease = access.NewLeaseUntil(t.caller.Expires)
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
	return c.Name == other.Name && slices.Equal(c.Clusters, other.Clusters) && c.Expires.Equal(other.Expires) &&
		slices.Equal(c.Extra[ownerKey], other.Extra[ownerKey])
}

// New returns a fresh token and the hash that goes into the file.
func New() (token, hash string) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails since Go 1.24
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	digest := sha256.Sum256([]byte(token))
	return token, hashPrefix + hex.EncodeToString(digest[:])
}

// Vouch implements [access.Voucher]: a caller is known by the name of its token, for as
// long as the file has it and it has not expired.
func (t *Tokens) Vouch(c *access.Caller) (now *access.Caller, known bool, err error) {
	if c.Method != access.MethodToken {
		return nil, false, nil
	}
	for _, bucket := range t.file.Get() {
		for i := range bucket {
			if is := bucket[i].caller; is.Name == c.Name {
				if !is.Expires.IsZero() && !time.Now().Before(is.Expires) {
					return nil, true, fmt.Errorf("%w at %s", ErrExpired, is.Expires.Format(time.RFC3339))
				}
				return is, true, nil
			}
		}
	}
	return nil, true, fmt.Errorf("the tokens file has no token %q any more", c.Name)
}
