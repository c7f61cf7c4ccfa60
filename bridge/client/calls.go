package client

import (
	"context"
	"iter"
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
)

// Call makes one request to the API server of a cluster. Whatever the API server answers
// is a result, and no error. A call of GET, HEAD or OPTIONS may be executed twice
// (see [Retry]), one of PUT or DELETE may not: an object may be another by then. Its Stream must be false: that is [Client.CallStream].
func (c *Client) Call(ctx context.Context, cluster string, call api.Call) (*api.CallResult, error) {
	r, err := callRequest(cluster, call)
	if err != nil {
		return nil, err
	}
	result := &api.CallResult{}
	return result, c.bridge.Into(ctx, r, result)
}

// CallStream makes a request as [Client.Call] does, and yields the response as it comes:
// the head, parts of the body, the end. The last pair has an error if the response broke,
// which is also when no end came. The request ends when the loop over it does.
func (c *Client) CallStream(ctx context.Context, cluster string, call api.Call) iter.Seq2[api.CallLine, error] {
	call.Stream = true
	r, err := callRequest(cluster, call)
	return exchange.Lines(ctx, c.bridge, r, err, func(l api.CallLine) bool { return l.End != nil })
}

// FleetCall makes one request to the API server of each of many clusters, and yields what
// became of each as it comes, and the summary last. The last pair has an error if the
// response broke before the summary: of the clusters without a line the outcome is unknown
// then. The requests end when the loop does.
func (c *Client) FleetCall(ctx context.Context, call api.FleetCall) iter.Seq2[api.FleetLine, error] {
	r, err := exchange.Post(call, "v1", "requests")
	if err == nil {
		r.Repeatable = reads(call.Method)
	}
	return exchange.Lines(ctx, c.bridge, r, err, func(l api.FleetLine) bool { return l.Summary != nil })
}

func callRequest(cluster string, call api.Call) (*exchange.Request, error) {
	r, err := exchange.Post(call, "v1", "clusters", cluster, "requests")
	if err != nil {
		return nil, err
	}
	r.Repeatable = reads(call.Method)
	return r, nil
}

// reads reports whether a call of a method may be executed twice.
func reads(method string) bool {
	switch strings.ToUpper(method) {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return false
}
