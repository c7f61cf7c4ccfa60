package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/deploy/tracing/span"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
)

// maxVerdicts bounds the answers that are kept.
const maxVerdicts = 16 << 10

// Grant is the name of the grant in decisions of an [AccessReview].
const Grant = "subject-access-review"

// AccessReview is an [access.Authorizer] that asks a service by SubjectAccessReviews.
//
// A caller may make a request if the service allows both the request itself, as an API
// server would ask about it, and get on the cluster, as if the bridge's clusters were
// objects (see [question]). It may know of a cluster if the service allows get on it,
// or list on those of its tenant.
//
// A decision is valid for as long as its answers are kept. A running request is then
// decided again, and ends if the service does not allow it any more or does not answer.
type AccessReview struct {
	service *service
	as      *grant.Identities
	kept    Cache

	ctx      context.Context // of all reviews and decisions
	cancel   context.CancelFunc
	reviews  singleflight.Group    // by digest
	verdicts *cache.LRUExpireCache // digest to *verdict

	mu      sync.Mutex // guards closed; held to add to running
	closed  bool
	running sync.WaitGroup
}

// verdict is an answer of the service. It is never changed.
type verdict struct {
	allowed bool
	reason  string
	valid   context.Context
}

// NewAccessReview reads the kubeconfig, which must be good, and does not ask the
// service. proxies is how it is reached, nil for the proxies of the environment. Close must
// be called. A nil log discards.
func NewAccessReview(config AccessReviewConfig, proxies *proxy.Proxies, log *slog.Logger) (*AccessReview, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("access review: %w", err)
	}
	as, err := config.As.Identities()
	if err != nil {
		return nil, fmt.Errorf("access review: %w", err)
	}
	s, err := openService("SubjectAccessReview", "the access review service", config.Kubeconfig, proxies, log)
	if err != nil {
		return nil, err
	}
	a := &AccessReview{service: s, as: as, kept: config.Cache.or(30*time.Second, 10*time.Second), verdicts: cache.NewLRUExpireCache(maxVerdicts)}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a, nil
}

// Authorize implements [access.Authorizer].
func (a *AccessReview) Authorize(ctx context.Context, c *access.Caller, req *access.Request) (*access.Decision, error) {
	if req.As != nil {
		return nil, access.NoImpersonation(c, req.As)
	}
	cluster, err := a.judge(ctx, &question{caller: c, cluster: req.Cluster, kind: getCluster})
	if err != nil {
		return nil, err
	}
	if !cluster.allowed {
		return nil, access.NoGrant(c, req.Cluster)
	}
	info, err := req.Info()
	if err != nil || info.Ambiguous {
		return nil, answer.Failf(answer.Forbidden, "the path of the request can be read in more than one way, so that %s is not asked about it; "+
			"nothing was executed", a.service.name)
	}
	request, err := a.judge(ctx, &question{caller: c, cluster: req.Cluster, kind: requestTo, info: info})
	if err != nil {
		return nil, err
	}
	if !request.allowed {
		return nil, a.refusal(c, req, request)
	}
	as, err := a.as.Of(ctx, c)
	if err != nil {
		return nil, answer.Failf(answer.Forbidden, "%s allows the request, but the user as whom caller %q would act cannot be made: %s; nothing was executed",
			a.service.name, answer.Clip(c.Name), answer.Clip(err.Error()))
	}
	return &access.Decision{Grant: Grant, As: as, Valid: earlier(cluster.valid, request.valid)}, nil
}

func (a *AccessReview) refusal(c *access.Caller, req *access.Request, v *verdict) error {
	reason := ""
	if v.reason != "" {
		reason = ": " + answer.Clip(v.reason)
	}
	return answer.Failf(answer.Forbidden, "%s does not allow caller %q this request to cluster %q%s; nothing was executed",
		a.service.name, answer.Clip(c.Name), req.Cluster, reason)
}

// earlier returns the context that ends first by its deadline.
func earlier(a, b context.Context) context.Context {
	endA, _ := a.Deadline()
	if endB, _ := b.Deadline(); endB.Before(endA) {
		return b
	}
	return a
}

// View implements [access.Viewer].
func (a *AccessReview) View(ctx context.Context, c *access.Caller, ref subjects.ClusterRef) (bool, error) {
	// In the list of a tenant's clusters this was asked before.
	if v := a.known(listOf(c, ref.Tenant).digest()); v != nil && v.allowed {
		return true, nil
	}
	v, err := a.judge(ctx, &question{caller: c, cluster: ref, kind: getCluster})
	return err == nil && v.allowed, err
}

// ViewTenant implements [access.Viewer].
func (a *AccessReview) ViewTenant(ctx context.Context, c *access.Caller, tenant string) (bool, error) {
	v, err := a.judge(ctx, listOf(c, tenant))
	return err == nil && v.allowed, err
}

// Visible implements [access.Authorizer]. Without an answer nothing is visible.
func (a *AccessReview) Visible(c *access.Caller, ref subjects.ClusterRef) bool {
	visible, err := a.View(a.ctx, c, ref)
	return err == nil && visible
}

// AuthorizeTenant implements [access.Authorizer]. Without an answer nothing is visible.
func (a *AccessReview) AuthorizeTenant(c *access.Caller, tenant string) bool {
	visible, err := a.ViewTenant(a.ctx, c, tenant)
	return err == nil && visible
}

func listOf(c *access.Caller, tenant string) *question {
	return &question{caller: c, cluster: subjects.ClusterRef{Tenant: tenant}, kind: listClusters}
}

// known returns the answer to a question that is still kept.
func (a *AccessReview) known(d digest) *verdict {
	if v, ok := a.verdicts.Get(d); ok && v.(*verdict).valid.Err() == nil {
		return v.(*verdict)
	}
	return nil
}

// judge asks the service, with others who ask the same. The error is an
// [answer.Failure].
func (a *AccessReview) judge(ctx context.Context, q *question) (*verdict, error) {
	d := q.digest()
	if v := a.known(d); v != nil {
		return v, nil
	}
	if !a.begin() {
		return nil, answer.Failf(answer.ReviewUnreachable, "%s is no longer asked", a.service.name)
	}
	defer a.running.Done()
	result := a.reviews.DoChan(string(d[:]), func() (any, error) {
		if v := a.known(d); v != nil { // another request has just asked
			return v, nil
		}
		return a.ask(span.In(ctx).With(a.ctx), d, q)
	})
	select {
	case got := <-result:
		if got.Err != nil {
			return nil, got.Err
		}
		return got.Val.(*verdict), nil
	case <-ctx.Done():
		a.running.Go(func() { <-result })
		return nil, answer.Failf(answer.ReviewUnreachable, "%s had not answered when the request ended: %w", a.service.name, context.Cause(ctx))
	}
}

// Files are the kubeconfig, under its key in the configuration, and what it names.
func (a *AccessReview) Files(key string) []reload.Followed { return a.service.files(key) }

func (a *AccessReview) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.running.Add(1)
	}
	return !a.closed
}

func (a *AccessReview) ask(ctx context.Context, d digest, q *question) (*verdict, error) {
	review := authorizationv1.SubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: authorizationv1.SchemeGroupVersion.String(), Kind: "SubjectAccessReview"},
		Spec:     *q.spec(),
	}
	var got authorizationv1.SubjectAccessReview
	if err := a.service.ask(ctx, a.service.known, "", &review, &got); err != nil {
		return nil, err
	}
	status := &got.Status
	switch {
	case got.Kind != review.Kind || got.APIVersion != review.APIVersion:
		return nil, a.service.unanswered(errNotReview, fmt.Errorf("kind %q of %q", answer.Clip(got.Kind), answer.Clip(got.APIVersion)))
	case status.Allowed && status.Denied:
		return nil, a.service.unanswered(errors.New("both allows and denies"), errors.New("allowed and denied are both set"))
	}
	kept := a.kept.Denied
	if status.Allowed {
		kept = a.kept.Allowed
	}
	v := &verdict{allowed: status.Allowed, reason: status.Reason}
	var cancel context.CancelFunc
	v.valid, cancel = context.WithTimeout(a.ctx, kept)
	context.AfterFunc(v.valid, cancel) // its timer ends it
	a.verdicts.Add(d, v, kept)
	return v, nil
}

// Close ends the validity of all decisions, so that running requests are decided again
// by what has taken the place of this.
func (a *AccessReview) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.cancel()
	a.running.Wait()
	a.service.close()
}
