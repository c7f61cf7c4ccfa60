package oidc

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/deploy/tracing/span"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
)

// Authenticator is the [access.Authenticator] for the ID tokens of the issuers of one
// configuration. Another configuration is another Authenticator, made by
// [Authenticator.Next]. It is safe for concurrent use.
type Authenticator struct {
	log     *slog.Logger
	proxies *proxy.Proxies     // nil: those of the environment
	tracer  *span.Tracer       // nil: nothing is traced
	cache   *cache             // of all configurations
	issuers map[string]*issuer // by URL
	version int                // later configurations have greater ones
}

// New makes an authenticator. It reads the files that the configuration names, but
// does not wait for issuers: their keys are read in the background. Close must be
// called. proxies is how issuers are reached, nil for the proxies of the environment. A nil
// tracer traces nothing, a nil log discards.
func New(config Config, proxies *proxy.Proxies, tracer *span.Tracer, log *slog.Logger) (*Authenticator, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return (&Authenticator{log: log, proxies: proxies, tracer: tracer, cache: newCache(maxCached)}).Next(config)
}

// Next makes an authenticator of another configuration, which takes the place of a once
// a is closed by [Authenticator.CloseExcept]; it may be closed itself instead. Until
// then both may be used. Issuers whose configuration is the same are shared, with the
// callers of their tokens; where only other things have changed, the keys are.
func (a *Authenticator) Next(config Config) (*Authenticator, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	next := &Authenticator{log: a.log, proxies: a.proxies, tracer: a.tracer, cache: a.cache, issuers: make(map[string]*issuer, len(config)), version: a.version + 1}
	for _, c := range config {
		before := a.issuers[c.URL]
		if before != nil && reflect.DeepEqual(before.config, c) {
			next.issuers[c.URL] = before
			continue
		}
		i, err := newIssuer(c, before, next)
		if err != nil {
			next.CloseExcept(a)
			return nil, err
		}
		next.issuers[c.URL] = i
	}
	return next, nil
}

// CloseExcept ends what a has and kept has not: the leases of callers are superseded,
// and keys are no longer read. Tokens of these issuers are not accepted by a from now
// on. A nil kept has nothing.
func (a *Authenticator) CloseExcept(kept *Authenticator) {
	if kept == nil {
		kept = &Authenticator{}
	}
	var gone []*issuer
	for url, i := range a.issuers {
		if kept.issuers[url] != i {
			gone = append(gone, i)
			a.cache.retire(i, superseded(i.config.Name, kept.issuers[url] != nil))
		}
	}
	for _, i := range gone {
		if now := kept.issuers[i.config.URL]; now == nil || now.keys != i.keys {
			i.keys.close()
		}
	}
}

// superseded says why the callers of an issuer end.
func superseded(name string, changed bool) error {
	if changed {
		return fmt.Errorf("the bridge's configuration of issuer %q has changed", name)
	}
	return fmt.Errorf("issuer %q was removed from the bridge's configuration", name)
}

// Files are the CAs of issuers, under the keys of the configuration whose own is key.
func (a *Authenticator) Files(key string) (all []reload.Followed) {
	for _, i := range a.issuers {
		all = append(all, i.cas.Followed(fmt.Sprintf("%s[%s].certificateAuthority", key, i.config.Name))...)
	}
	return all
}

// Close ends the leases of all callers, and stops what New has started. No token is
// accepted from now on.
func (a *Authenticator) Close() { a.CloseExcept(nil) }

// Authenticate implements [access.Authenticator], as AuthenticateBearer.
func (a *Authenticator) Authenticate(r *http.Request) (*access.Caller, error) {
	return access.ByBearer(a, r)
}

// Vouch implements [access.Voucher]: a caller is known for as long as the configuration
// has the issuer of its token, by its name. Tokens last for minutes, so that neither their
// end nor what has become of their holder counts.
func (a *Authenticator) Vouch(c *access.Caller) (now *access.Caller, known bool, err error) {
	if c.Method != access.MethodOIDC {
		return nil, false, nil
	}
	for _, i := range a.issuers {
		if i.config.Name == c.Issuer {
			return c, true, nil
		}
	}
	return nil, true, fmt.Errorf("issuer %q was removed from the bridge's configuration", c.Issuer)
}

// AuthenticateBearer implements [access.BearerAuthenticator]. It waits for the issuer's keys for a
// few seconds at most where a token is signed with a key that is not known. Where the
// issuer cannot be reached then, the error is an answer.Failure of
// answer.IssuerUnreachable; other errors wrap one of this package.
func (a *Authenticator) AuthenticateBearer(ctx context.Context, bearer access.Credential) (*access.Caller, error) {
	if c, i := a.cache.get(bearer.Digest, time.Now()); c != nil && a.issuers[i.config.URL] == i {
		return c, nil
	}
	t, err := parse(bearer.Token)
	if err != nil {
		return nil, err
	}
	i := a.issuers[t.issuer]
	if i == nil {
		return nil, a.unknown(t)
	}
	c, k, err := i.verify(ctx, t)
	if err != nil {
		return nil, err
	}
	kept, err := a.cache.add(bearer.Digest, c, len(bearer.Token), i, k)
	if kept != c {
		c.Lease.End(nil)
	}
	return kept, err
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
	for _, other := range []string{t.issuer + "/", strings.TrimSuffix(t.issuer, "/")} {
		if a.issuers[other] != nil {
			return fmt.Errorf("%w: its iss is %s, but %s is configured; they must be equal", ErrUnknownIssuer, quote(t.issuer), quote(other))
		}
	}
	return fmt.Errorf("%w: its iss is %s", ErrUnknownIssuer, quote(t.issuer))
}
