package client

import (
	"context"
	"crypto/rand"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client/internal/exchange"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
)

// Pauses between two looks of [Client.AwaitOperation].
const (
	minLook = time.Second
	maxLook = 15 * time.Second
)

// QueueOperation queues a request that is executed when the cluster is online. The same
// key makes the same operation: with one that is kept by the caller, the call can be made
// again after whatever has happened. With "" the client makes one, which counts for this
// call and what it sends again. Another spec with a key that was used is
// [ErrIdempotencyKeyReused].
func (c *Client) QueueOperation(ctx context.Context, cluster, key string, spec api.OperationSpec) (*api.Operation, error) {
	r, err := exchange.Post(spec, operationPath(cluster)...)
	if err != nil {
		return nil, err
	}
	if key == "" {
		key = rand.Text()
	}
	r.Header = http.Header{"Idempotency-Key": {key}}
	r.Repeatable = true
	o := &api.Operation{}
	return o, c.bridge.Into(ctx, r, o)
}

// Operation returns one operation of a cluster as it is now.
func (c *Client) Operation(ctx context.Context, cluster, id string) (*api.Operation, error) {
	o := &api.Operation{}
	return o, c.bridge.Into(ctx, exchange.Get(operationPath(cluster, id)...), o)
}

// AwaitOperation waits until an operation has ended, however it did: see its State. It asks
// every few seconds. With the end of ctx it returns the operation as it was last, with the
// error of ctx.
func (c *Client) AwaitOperation(ctx context.Context, cluster, id string) (*api.Operation, error) {
	for pause := minLook; ; pause = min(pause*3/2, maxLook) {
		o, err := c.Operation(ctx, cluster, id)
		if err != nil || o.State.Final() {
			return o, err
		}
		if !sleep.For(ctx, pause) {
			return o, ctx.Err()
		}
	}
}

// CancelOperation takes an operation out of the queue. One that has begun is
// [ErrOperationNotQueued].
func (c *Client) CancelOperation(ctx context.Context, cluster, id string) (*api.Operation, error) {
	r := &exchange.Request{Method: http.MethodPost, Path: operationPath(cluster, id, "cancel"), Repeatable: true}
	o := &api.Operation{}
	return o, c.bridge.Into(ctx, r, o)
}

// OperationFilter says which operations to list. The zero value: those of any state.
type OperationFilter struct {
	States []api.OperationState
	// Limit is the largest number of operations in a list; 0: 50.
	Limit int
	// After is the Next of the list before; "": from the newest operation.
	After string
}

// Operations lists operations of a cluster, the newest first: those that the caller made,
// or those of all callers if a grant says so.
func (c *Client) Operations(ctx context.Context, cluster string, f OperationFilter) (*api.OperationList, error) {
	r := exchange.Get(operationPath(cluster)...)
	r.Query = url.Values{}
	if len(f.States) > 0 {
		names := make([]string, len(f.States))
		for i, s := range f.States {
			names[i] = string(s)
		}
		r.Query.Set("state", strings.Join(names, ","))
	}
	if f.Limit != 0 {
		r.Query.Set("limit", strconv.Itoa(f.Limit))
	}
	if f.After != "" {
		r.Query.Set("after", f.After)
	}
	list := &api.OperationList{}
	return list, c.bridge.Into(ctx, r, list)
}

// EachOperation is [Client.Operations] page by page as one sequence. It ends with an error.
func (c *Client) EachOperation(ctx context.Context, cluster string, f OperationFilter) iter.Seq2[api.Operation, error] {
	return func(yield func(api.Operation, error) bool) {
		for {
			list, err := c.Operations(ctx, cluster, f)
			if err != nil {
				yield(api.Operation{}, err)
				return
			}
			for _, o := range list.Operations {
				if !yield(o, nil) {
					return
				}
			}
			if f.After = list.Next; f.After == "" {
				return
			}
		}
	}
}

func operationPath(cluster string, rest ...string) []string {
	return append([]string{"v1", "clusters", cluster, "operations"}, rest...)
}
