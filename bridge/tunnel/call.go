package tunnel

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tunnel/hop"
	"github.com/fairlead-io/fairlead/subjects"
)

// MaxCallResponse is the largest body in bytes of a response to [Tunnel.Call],
// which is in memory; larger ones have Serve.
const MaxCallResponse = 16 << 20

// Response is a whole response of an API server.
type Response struct {
	Status int
	Header http.Header // what may pass from a cluster
	Body   []byte
}

// Call sends a request whose body is in memory and reads the whole response. The
// request's header must come from [PassRequest]. Its errors are
// failures.
func (t *Tunnel) Call(ctx context.Context, rec *answer.Record, to Destination, head *subjects.RequestHead, body []byte, lease Lease) (*Response, *answer.Failure) {
	if rec.Span == nil {
		return t.call(ctx, rec, to, &call{head: head, lease: lease}, body)
	}
	c := &call{head: head, lease: lease}
	c.x.hop = hop.Start(rec, hop.Request{Cluster: to.Cluster, Name: to.Name, Method: head.Method, Target: head.Target, Header: head.Header})
	response, f := t.call(ctx, rec, to, c, body)
	status := 0
	if response != nil {
		status = response.Status
	}
	c.x.hop.End(&answer.Record{Failure: f}, status)
	return response, f
}

func (t *Tunnel) call(ctx context.Context, rec *answer.Record, to Destination, c *call, body []byte) (*Response, *answer.Failure) {
	lease := c.lease
	conn, err := t.Tenants.Acquire(ctx, to.Cluster.Tenant)
	if err != nil {
		return nil, Explain(ctx, to.Name, nil, err)
	}
	defer conn.Release()
	if err := lease.Usage().Take(ctx, len(body)); err != nil {
		return nil, Explain(ctx, to.Name, conn, err)
	}
	if f := lease.Check(ctx); f != nil { // the body may have taken hours to arrive
		return nil, f.For(to.Name).With(notExecuted)
	}
	rec.Tenant = to.Cluster.Tenant
	if c.head.Extensions, err = to.extensions(); err != nil {
		return nil, Explain(ctx, to.Name, conn, err)
	}
	c.ctx, c.x.conn, c.x.cluster, c.x.lease, c.x.usage = ctx, conn, to.Cluster.Cluster, lease, lease.Usage()
	c.x.fin, c.x.repeatable = true, isSafe(c.head.Method)
	defer c.x.close()
	response, err := c.do(body)
	rec.Instance = c.x.instance()
	if err != nil {
		return nil, Explain(ctx, to.Name, conn, err)
	}
	to.warnOfRBAC(response.Header, rec, response.Status, response.Body)
	return response, nil
}

// call is one request that is in memory.
type call struct {
	ctx   context.Context
	head  *subjects.RequestHead
	lease Lease
	x     exchange
}

func (c *call) do(body []byte) (*Response, error) {
	first, err := subjects.AppendRequestHead(nil, c.head)
	if err != nil {
		return nil, err
	}
	c.x.first = append(first, body...)
	head, err := c.begin()
	if err != nil {
		return nil, err
	}
	if f := c.lease.Check(c.ctx); f != nil { // the API server may have taken minutes
		return nil, f.With(outcomeUnknown)
	}
	if st := c.x.st; !st.Ended() || c.x.usage.Metered() { // a response that comes in parts, or waits
		ctx, release := c.lease.Hold(c.ctx)
		defer release()
		c.ctx = ctx
		defer context.AfterFunc(ctx, func() { st.Reset(subjects.CodeCanceled, context.Cause(ctx).Error()) })()
	}
	b, err := c.readBody()
	if err != nil {
		return nil, err
	}
	if head.ContentLength >= 0 && c.head.Method != http.MethodHead && int64(len(b)) != head.ContentLength &&
		head.Status != http.StatusNoContent && head.Status != http.StatusNotModified {
		return nil, &subjects.ResetError{Code: subjects.CodeProtocol, Detail: errTooShort.Error()}
	}
	r := &Response{Status: head.Status, Header: http.Header{}, Body: b}
	copyResponse(r.Header, head.Header, "")
	return r, nil
}

// begin sends the request and returns the head of the response, behind those
// that are informational.
func (c *call) begin() (*subjects.ResponseHead, error) {
	head, err := c.x.begin(c.ctx)
	for n := 0; err == nil && head.Status < 200; n++ {
		if n == maxInformational {
			return nil, c.x.broken(errInformational.Error())
		}
		if head.Status == http.StatusSwitchingProtocols {
			return nil, c.x.broken(errUnasked.Error())
		}
		head, err = c.x.nextHead()
	}
	return head, err
}

func (c *call) readBody() ([]byte, error) {
	b := c.x.rest[:len(c.x.rest):len(c.x.rest)]
	for {
		if len(b) > MaxCallResponse {
			return nil, answer.Failf(answer.ResponseTooLarge, "the response is larger than %d bytes; it can be read under /k8s", MaxCallResponse)
		}
		next, err := c.x.st.Next()
		b = append(b, next...)
		if err == nil {
			err = c.x.usage.Take(c.ctx, len(next))
		}
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			if f := revocation(c.ctx); f != nil {
				return nil, f.With(outcomeUnknown) // the caller may no longer have it
			}
			return nil, fmt.Errorf("read response: %w", err)
		}
	}
}
