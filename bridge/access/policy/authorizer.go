package policy

import (
	"context"
	"errors"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// authorizer is the [access.Authorizer] of a version: its grants and, where they allow
// nothing, its access review service. It is an [approval.Rules] too.
type authorizer struct{ *version }

// Authorize implements [access.Authorizer].
func (a authorizer) Authorize(ctx context.Context, c *access.Caller, req *access.Request) (*access.Decision, error) {
	d, err := a.grants.Authorize(ctx, c, req)
	if err != nil {
		return a.review(ctx, c, req, err)
	}
	return d, nil
}

// AuthorizeVisit implements [access.Entrance]: a request that the grants allow is to a
// cluster that its caller may know of.
func (a authorizer) AuthorizeVisit(ctx context.Context, c *access.Caller, req *access.Request) (bool, *access.Decision, error) {
	d, refusal := a.grants.Authorize(ctx, c, req)
	if refusal == nil {
		return true, d, nil
	}
	if visible, err := a.View(ctx, c, req.Cluster); err != nil || !visible {
		return false, nil, err
	}
	d, err := a.review(ctx, c, req, refusal)
	return true, d, err
}

// review asks the access review service about a request that the grants refuse with
// refusal. It returns refusal where nobody is to be asked.
func (a authorizer) review(ctx context.Context, c *access.Caller, req *access.Request, refusal error) (*access.Decision, error) {
	service := a.accessReview.made
	if f, ok := errors.AsType[*answer.Failure](refusal); service == nil || ok && f.Kind != answer.Forbidden {
		return nil, refusal
	}
	d, err := service.Authorize(ctx, c, req)
	if err == nil {
		return d, nil
	}
	if _, ok := errors.AsType[*answer.Failure](err); ok {
		return nil, err
	}
	return nil, refusal // the service does not let the caller know of the cluster
}

// Visible implements [access.Authorizer]. It waits for an answer of the access review
// service for a few seconds, and without one is false.
func (a authorizer) Visible(c *access.Caller, ref subjects.ClusterRef) bool {
	visible, err := a.View(context.Background(), c, ref)
	return err == nil && visible
}

// AuthorizeTenant implements [access.Authorizer].
func (a authorizer) AuthorizeTenant(c *access.Caller, tenant string) bool {
	visible, err := a.ViewTenant(context.Background(), c, tenant)
	return err == nil && visible
}

// ClusterLabels implements [access.Labeler].
func (a authorizer) ClusterLabels(ref subjects.ClusterRef) map[string]string {
	return a.grants.ClusterLabels(ref)
}

// LabeledClusters implements [access.Labeler].
func (a authorizer) LabeledClusters(tenant string) []string { return a.grants.LabeledClusters(tenant) }

// View implements [access.Viewer].
func (a authorizer) View(ctx context.Context, c *access.Caller, ref subjects.ClusterRef) (bool, error) {
	if a.grants.Visible(c, ref) {
		return true, nil
	}
	if service := a.accessReview.made; service != nil {
		return service.View(ctx, c, ref)
	}
	return false, nil
}

// ViewTenant implements [access.Viewer].
func (a authorizer) ViewTenant(ctx context.Context, c *access.Caller, tenant string) (bool, error) {
	if a.grants.AuthorizeTenant(c, tenant) {
		return true, nil
	}
	if service := a.accessReview.made; service != nil {
		return service.ViewTenant(ctx, c, tenant)
	}
	return false, nil
}

// Unseen implements [access.Explainer].
func (a authorizer) Unseen(c *access.Caller, ref subjects.ClusterRef) error {
	return a.grants.Unseen(c, ref)
}

// MayAsk implements [approval.Rules].
func (a authorizer) MayAsk(ctx context.Context, c *access.Caller, name string, ref subjects.ClusterRef) (time.Duration, error) {
	return a.grants.MayAsk(ctx, c, name, ref)
}

// MayApprove implements [approval.Rules].
func (a authorizer) MayApprove(ctx context.Context, c *access.Caller, name string, ref subjects.ClusterRef) bool {
	return a.grants.MayApprove(ctx, c, name, ref)
}
