package upstream

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/agent/upstream/http1"
	"github.com/fairlead-io/fairlead/deploy/redact"
	"github.com/fairlead-io/fairlead/subjects"
)

// send chooses the connection of a request; docs/decisions/0023 says why.
//
// Where the API server speaks HTTP/2, whatever lasts or may change something goes over
// HTTP/2: thousands of watches share a few connections, and a server that goes away says
// which requests it has not executed. What is only read, and is over soon, goes over
// HTTP/1.1, which takes less time on both sides, and is sent again if its connection is
// lost.
func (u *Client) send(req *http.Request) (*http.Response, error) {
	u.renew()
	if !u.Multiplexed() {
		return u.sendHTTP1(u.own, req)
	}
	if u.isRead(req) {
		resp, err := u.sendHTTP1(u.reads, req)
		if err == nil || !u.prefersHTTP2(req.Context(), err) {
			return resp, err
		}
	}
	resp, err := u.http2.RoundTrip(req)
	if err != nil && errors.Is(err, errNoHTTP2) {
		return u.sendHTTP1(u.own, req)
	}
	return resp, err
}

// sendHTTP1 uses the pool of net/http for a body that is still arriving: it is written
// while the response is read.
func (u *Client) sendHTTP1(own *http1.Pool, req *http.Request) (*http.Response, error) {
	if own == nil || !http1.Fits(req) {
		return u.http1.Load().RoundTrip(req)
	}
	resp, err := own.RoundTrip(req)
	if err != nil {
		return nil, redact.ErrorWithout(err, redact.Headers(req.Header["Authorization"]...)...)
	}
	return resp, nil
}

// isRead reports whether a request only reads, and is over soon.
func (u *Client) isRead(req *http.Request) bool {
	if u.reads == nil || req.Body != nil || req.Method != http.MethodGet && req.Method != http.MethodHead {
		return false
	}
	until := u.onlyHTTP2.Load()
	return (until == 0 || time.Now().Unix() >= until) && !subjects.IsLong(req.Method, req.URL.RequestURI())
}

// prefersHTTP2 reports whether a request that failed with err over HTTP/1.1 was not sent,
// and HTTP/2 is to be tried: its connection may be open where no other can be made, as
// behind a device that limits them.
func (u *Client) prefersHTTP2(ctx context.Context, err error) bool {
	if errors.Is(err, http1.ErrBusy) {
		return true
	}
	if _, ok := errors.AsType[*dialError](err); !ok || ctx.Err() != nil {
		return false
	}
	pause := dialAgain
	if errors.Is(err, errNoHTTP1) {
		pause = protocolAgain
	}
	u.onlyHTTP2.Store(time.Now().Add(pause).Unix())
	return true
}

// dialAgain is how long reads stay on HTTP/2 after a connection for HTTP/1.1 could not be
// made: an API server that restarts is back by then, and one that refuses costs a read in
// a minute another attempt.
const dialAgain = time.Minute
