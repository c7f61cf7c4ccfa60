package access

import (
	"context"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// Viewer is an [Authorizer] that asks another service who may know of a cluster. It is
// asked by these methods instead of Visible and AuthorizeTenant.
type Viewer interface {
	// View is Visible. err says why there is no answer; it is as that of
	// [Authorizer.Authorize], as is ctx.
	View(ctx context.Context, c *Caller, ref subjects.ClusterRef) (visible bool, err error)
	// ViewTenant is AuthorizeTenant.
	ViewTenant(ctx context.Context, c *Caller, tenant string) (visible bool, err error)
}

// Visible reports whether the caller may make any request to the cluster, and so know
// of it.
func (d *Door) Visible(ctx context.Context, c *Caller, ref subjects.ClusterRef) (bool, *answer.Failure) {
	v, ok := d.Authorizer.(Viewer)
	if !ok {
		return d.Authorizer.Visible(c, ref), nil
	}
	visible, err := v.View(ctx, c, ref)
	if err != nil {
		return false, failure(answer.Forbidden, err)
	}
	return visible, nil
}

// TenantVisible reports whether the caller may know of any cluster of the tenant.
func (d *Door) TenantVisible(ctx context.Context, c *Caller, tenant string) (bool, *answer.Failure) {
	v, ok := d.Authorizer.(Viewer)
	if !ok {
		return d.Authorizer.AuthorizeTenant(c, tenant), nil
	}
	visible, err := v.ViewTenant(ctx, c, tenant)
	if err != nil {
		return false, failure(answer.Forbidden, err)
	}
	return visible, nil
}
