package client

import (
	"context"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
)

// WhoAmI says who the bridge takes the caller for.
func (c *Client) WhoAmI(ctx context.Context) (*api.Caller, error) {
	who := &api.Caller{}
	return who, c.bridge.Into(ctx, exchange.Get("v1", "whoami"), who)
}

// ReviewAccess asks whether the caller may make a request of a cluster, and which lock
// decides. Nothing is executed.
func (c *Client) ReviewAccess(ctx context.Context, cluster string, review api.AccessReview) (*api.AccessReviewResult, error) {
	r, err := exchange.Post(review, "v1", "clusters", cluster, "access-reviews")
	if err != nil {
		return nil, err
	}
	r.Repeatable = true
	result := &api.AccessReviewResult{}
	return result, c.bridge.Into(ctx, r, result)
}

// AccessRequests lists those that the caller made or may decide, the newest first.
func (c *Client) AccessRequests(ctx context.Context) ([]api.AccessRequest, error) {
	var list api.AccessRequestList
	err := c.bridge.Into(ctx, exchange.Get("v1", "access-requests"), &list)
	return list.AccessRequests, err
}

// AccessRequest returns one that the caller made or may decide.
func (c *Client) AccessRequest(ctx context.Context, id string) (*api.AccessRequest, error) {
	one := &api.AccessRequest{}
	return one, c.bridge.Into(ctx, exchange.Get("v1", "access-requests", id), one)
}

// RequestAccess asks for access by a grant that requires an approval.
func (c *Client) RequestAccess(ctx context.Context, spec api.AccessRequestSpec) (*api.AccessRequest, error) {
	return c.change(ctx, spec, "v1", "access-requests")
}

// ApproveAccess approves a request of somebody else.
func (c *Client) ApproveAccess(ctx context.Context, id, note string) (*api.AccessRequest, error) {
	return c.change(ctx, api.AccessDecision{Note: note}, "v1", "access-requests", id, "approve")
}

// DenyAccess denies a request.
func (c *Client) DenyAccess(ctx context.Context, id, note string) (*api.AccessRequest, error) {
	return c.change(ctx, api.AccessDecision{Note: note}, "v1", "access-requests", id, "deny")
}

// EndAccess ends an approval and what runs under it, or withdraws a request.
func (c *Client) EndAccess(ctx context.Context, id string) (*api.AccessRequest, error) {
	return c.change(ctx, nil, "v1", "access-requests", id, "end")
}

func (c *Client) change(ctx context.Context, v any, path ...string) (*api.AccessRequest, error) {
	r, err := exchange.Post(v, path...)
	if err != nil {
		return nil, err
	}
	one := &api.AccessRequest{}
	return one, c.bridge.Into(ctx, r, one)
}
