package tunnel

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// MaxCallResponse is the largest body in bytes of a response to [Tunnel.Call],
// which is in memory; larger ones have Serve and Open.
const MaxCallResponse = 16 << 20

// Response is a whole response of an API server.
type Response struct {
	Status int
	Header http.Header // what may pass from a cluster
	Body   []byte
}

// Call sends a request as [Tunnel.Open] does, and reads the whole response.
func (t *Tunnel) Call(ctx context.Context, rec *answer.Record, to Destination, head *subjects.RequestHead, body []byte, lease Lease) (*Response, *answer.Failure) {
	in, f := t.open(ctx, rec, to, head, body, lease)
	if f != nil {
		return nil, f
	}
	b, err := in.all()
	if f, failed := errors.AsType[*answer.Failure](err); failed {
		in.close(&answer.Record{Failure: f})
		return nil, f
	}
	in.close(&answer.Record{})
	to.warnOfRBAC(in.Header, rec, in.Status, b)
	return &Response{Status: in.Status, Header: in.Header, Body: b}, nil
}

// all reads the whole body.
func (in *Incoming) all() (b []byte, err error) {
	for {
		next, err := in.Next()
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if len(b)+len(next) > MaxCallResponse {
			return nil, answer.Failf(answer.ResponseTooLarge, "the response is larger than %d bytes; it can be read under /k8s", MaxCallResponse).For(in.to.Name)
		}
		b = append(b, next...)
	}
}
