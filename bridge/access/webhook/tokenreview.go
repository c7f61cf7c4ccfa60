package webhook

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/redact"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/deploy/tracing/span"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
)

// maxTokens bounds the tokens whose review is kept, allowed and denied each. Tokens
// that nobody knows do not displace the others.
const maxTokens = 4096

// acceptedFor is for how long a token that was accepted has its turn before tokens that
// nobody knows, and maxAccepted bounds those that are remembered, by 32 bytes each. It
// decides about nothing else: each is reviewed like any other.
const (
	acceptedFor = 12 * time.Hour
	maxAccepted = 16384
)

// TokenReviewIssuer is the [access.Caller.Issuer] of callers.
const TokenReviewIssuer = "token-review"

// ErrDenied is why a token is refused that the service does not know.
var ErrDenied error = unrecognized{errors.New("the token review service does not accept the bearer token")}

// unrecognized is an error that is [access.ErrUnrecognized] too.
type unrecognized struct{ error }

func (e unrecognized) Is(target error) bool { return target == access.ErrUnrecognized }

func (e unrecognized) Unwrap() error { return e.error }

type digest = [sha256.Size]byte

// TokenReview is the [access.Authenticator] that asks a service about each bearer
// token.
//
// A token that is taken back is refused once the answer about it is no longer kept.
// Running requests end then too: the token is reviewed again, in the background, for
// as long as its caller is in use. If the service gives no answer, they go on for the
// same time once more.
type TokenReview struct {
	service   *service
	audiences []string
	kept      Cache

	ctx     context.Context // of all reviews
	cancel  context.CancelFunc
	reviews singleflight.Group // by digest
	running sync.WaitGroup     // reviews, and renewals

	allowed *cache.LRUExpireCache // digest to *access.Caller, which are so held strongly
	denied  *cache.LRUExpireCache // digest to error
	// accepted has the digests of tokens whose last review accepted them, for [TokenReview.gate].
	accepted *cache.LRUExpireCache

	mu     sync.Mutex // guards the rest
	live   map[digest]*reviewed
	closed bool
}

// NewTokenReview reads the kubeconfig, which must be good, and does not ask the
// service. proxies is how it is reached, nil for the proxies of the environment. Close must
// be called. A nil log discards.
func NewTokenReview(config TokenReviewConfig, proxies *proxy.Proxies, log *slog.Logger) (*TokenReview, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("token review: %w", err)
	}
	s, err := openService("TokenReview", "the token review service", config.Kubeconfig, proxies, log)
	if err != nil {
		return nil, err
	}
	t := &TokenReview{
		service: s, audiences: slices.Clone(config.Audiences), kept: config.Cache.or(2*time.Minute, 30*time.Second),
		allowed: cache.NewLRUExpireCache(maxTokens), denied: cache.NewLRUExpireCache(maxTokens),
		accepted: cache.NewLRUExpireCache(maxAccepted), live: make(map[digest]*reviewed),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t, nil
}

// Authenticate implements [access.Authenticator], as AuthenticateBearer. Its errors may be
// those of [access.Bearer] too.
func (t *TokenReview) Authenticate(r *http.Request) (*access.Caller, error) {
	return access.ByBearer(t, r)
}

// Vouch implements [access.Voucher]: a caller is known for as long as the configuration
// has the service. The service cannot be asked about a token that nobody has kept.
func (t *TokenReview) Vouch(c *access.Caller) (now *access.Caller, known bool, err error) {
	if c.Method != access.MethodWebhook {
		return nil, false, nil
	}
	return c, true, nil
}

// AuthenticateBearer implements [access.BearerAuthenticator]. Its errors wrap [ErrDenied], or are
// an [answer.Failure].
func (t *TokenReview) AuthenticateBearer(ctx context.Context, bearer access.Credential) (*access.Caller, error) {
	d := bearer.Digest
	if c := t.current(d); c != nil {
		return c, nil
	}
	if err, ok := t.denied.Get(d); ok {
		return nil, err.(error)
	}
	return t.review(ctx, d, bearer.Token, true)
}

// review asks the service about a token, with others who ask the same. The review goes
// on when ctx ends, for them. keep keeps the caller for as long as the answer is kept,
// even if nothing uses it.
func (t *TokenReview) review(ctx context.Context, d digest, token string, keep bool) (*access.Caller, error) {
	if !t.begin() {
		return nil, answer.Failf(answer.ReviewUnreachable, "%s is no longer asked", t.service.name)
	}
	defer t.running.Done()
	result := t.reviews.DoChan(string(d[:]), func() (any, error) {
		if c := t.current(d); c != nil { // another request has just had it reviewed
			return c, nil
		}
		user, err := t.ask(span.In(ctx).With(t.ctx), t.gate(d), token)
		caller, err := t.settle(d, token, user, err)
		if err == nil && keep {
			t.allowed.Add(d, caller, t.kept.Allowed)
		}
		return caller, err
	})
	select {
	case got := <-result:
		if got.Err != nil {
			return nil, got.Err
		}
		return got.Val.(*access.Caller), nil
	case <-ctx.Done():
		t.running.Go(func() { <-result })
		return nil, answer.Failf(answer.ReviewUnreachable, "%s had not answered when the request ended: %w", t.service.name, context.Cause(ctx))
	}
}

// gate returns the way to the service for a token: a flood of tokens that nobody knows
// does not keep those from being reviewed again that were accepted, also if their callers
// have paused.
func (t *TokenReview) gate(d digest) gate {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.accepted.Get(d); ok || t.live[d] != nil {
		return t.service.known
	}
	return t.service.new
}

// ask returns the user that the service knows the token for; ctx is that of all reviews. The error is [ErrDenied]
// or an [answer.Failure].
func (t *TokenReview) ask(ctx context.Context, g gate, token string) (*authenticationv1.UserInfo, error) {
	review := authenticationv1.TokenReview{
		TypeMeta: metav1.TypeMeta{APIVersion: authenticationv1.SchemeGroupVersion.String(), Kind: "TokenReview"},
		Spec:     authenticationv1.TokenReviewSpec{Token: token, Audiences: t.audiences},
	}
	var got authenticationv1.TokenReview
	if err := t.service.ask(ctx, g, token, &review, &got); err != nil {
		return nil, err
	}
	hide := redact.Secrets(token)
	if got.Kind != review.Kind || got.APIVersion != review.APIVersion {
		return nil, t.service.unanswered(errNotReview, fmt.Errorf("kind %q of %q", answer.Clip(hide.Text(got.Kind)), answer.Clip(hide.Text(got.APIVersion))))
	}
	status := &got.Status
	switch {
	case !status.Authenticated:
		if status.Error != "" { // of some services it shows what they were asked
			return nil, fmt.Errorf("%w: %s", ErrDenied, answer.Clip(hide.Text(status.Error)))
		}
		return nil, ErrDenied
	case status.User.Username == "":
		return nil, fmt.Errorf("%w: it names no user", ErrDenied)
	case t.audiences != nil && !slices.ContainsFunc(status.Audiences, func(a string) bool { return slices.Contains(t.audiences, a) }):
		return nil, fmt.Errorf("%w: it is not for an audience of this bridge", ErrDenied)
	}
	return &status.User, nil
}

// Files are the kubeconfig, under its key in the configuration, and what it names.
func (t *TokenReview) Files(key string) []reload.Followed { return t.service.files(key) }

// begin notes a review that Close waits for, and reports whether it may start.
func (t *TokenReview) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.running.Add(1)
	}
	return !t.closed
}

// errSuperseded is why callers end with the token review.
var errSuperseded = errors.New("the bridge's configuration of token reviews has changed")

// Close supersedes the leases of all callers. No token is accepted from now on.
func (t *TokenReview) Close() {
	t.mu.Lock()
	t.closed = true
	all := t.live
	t.live = map[digest]*reviewed{}
	for _, e := range all {
		e.timer.Stop()
	}
	t.mu.Unlock()
	t.cancel()
	for _, e := range all {
		e.lease.Supersede(errSuperseded)
	}
	t.running.Wait()
	t.service.close()
}
