package oidc

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// Authenticator is the [access.Authenticator] for the ID tokens of several issuers.
type Authenticator struct {
	log     *slog.Logger
	cache   *cache
	issuers atomic.Pointer[map[string]*issuer] // by URL; never changed

	mu     sync.Mutex // held by Update and Close
	closed bool
}

// New makes an authenticator. It reads the files that the configuration names, but
// does not wait for issuers: their keys are read in the background. Close must be
// called. A nil log discards.
func New(config Config, log *slog.Logger) (*Authenticator, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &Authenticator{log: log, cache: newCache(maxCached)}
	a.issuers.Store(&map[string]*issuer{})
	if err := a.Update(config); err != nil {
		return nil, err
	}
	return a, nil
}

// Update makes another configuration take effect. Issuers whose configuration is the
// same go on as they are; tokens of the others must be verified again, and the leases
// of their callers end. After an error, nothing has changed.
func (a *Authenticator) Update(config Config) error {
	if err := config.check(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return fmt.Errorf("oidc: the authenticator is closed")
	}
	before := *a.issuers.Load()
	next, made := make(map[string]*issuer, len(config)), []*issuer(nil)
	for _, c := range config {
		if i := before[c.URL]; i != nil && reflect.DeepEqual(i.config, c) {
			next[c.URL] = i
			continue
		}
		i, err := newIssuer(c, a.log, a.cache.sweep)
		if err != nil {
			for _, i := range made {
				i.keys.close()
			}
			return err
		}
		next[c.URL], made = i, append(made, i)
	}
	a.issuers.Store(&next)
	for i := range maps.Values(before) {
		if next[i.config.URL] != i {
			i.keys.close()
		}
	}
	return nil
}

// Close ends the leases of all callers, and stops what New has started. No token is
// accepted from now on.
func (a *Authenticator) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	before := *a.issuers.Swap(&map[string]*issuer{})
	for _, i := range before {
		i.keys.close()
	}
}

// Authenticate implements [access.Authenticator]. It waits for the issuer's keys for a
// few seconds at most where a token is signed with a key that is not known. Where the
// issuer cannot be reached then, the error is an answer.Failure of
// answer.IssuerUnreachable; other errors wrap one of this package.
func (a *Authenticator) Authenticate(r *http.Request) (*access.Caller, error) {
	bearer, err := access.Bearer(r)
	if err != nil {
		return nil, err
	}
	d := digestOf(bearer)
	if c := a.cache.get(d, time.Now()); c != nil {
		return c, nil
	}
	t, err := parse(bearer)
	if err != nil {
		return nil, err
	}
	i := (*a.issuers.Load())[t.issuer]
	if i == nil {
		return nil, a.unknown(t)
	}
	c, k, err := i.verify(r.Context(), t)
	if err != nil {
		return nil, err
	}
	kept := a.cache.add(d, c, len(bearer), c.Expires.Add(i.config.skew()), i.keys, k)
	if kept != c {
		c.Lease.End(nil)
	}
	if kept == nil {
		return nil, unknownKey(k.id)
	}
	return kept, nil
}

// unknown says why a token of no configured issuer is not accepted, and what may be
// meant.
func (a *Authenticator) unknown(t *token) error {
	if t.isServiceAccount() {
		return fmt.Errorf("%w (iss is %s): 'argocd cluster add' and similar tools create such a service account in the cluster "+
			"and send its token to the URL of the kubeconfig; configure them with a token of this bridge (fl_...) "+
			"or with an ID token of an issuer that is configured here", ErrServiceAccount, quote(t.issuer))
	}
	if t.issuer == "" {
		return fmt.Errorf("%w: it has no iss", ErrUnknownIssuer)
	}
	issuers := *a.issuers.Load()
	for _, other := range []string{t.issuer + "/", strings.TrimSuffix(t.issuer, "/")} {
		if issuers[other] != nil {
			return fmt.Errorf("%w: its iss is %s, but %s is configured; they must be equal", ErrUnknownIssuer, quote(t.issuer), quote(other))
		}
	}
	return fmt.Errorf("%w: its iss is %s", ErrUnknownIssuer, quote(t.issuer))
}
