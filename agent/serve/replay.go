package serve

import (
	"bytes"
	"io"
	"net/http"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/agent/upstream"
	"github.com/fairlead-io/fairlead/agent/upstream/http1"
	"github.com/fairlead-io/fairlead/subjects"
)

// # Executed once
//
// In some cases net/http sends a request again by itself, and so does
// agent/upstream/http1, which has its place for bodies in memory. A request that
// may change something (any method but GET, HEAD, OPTIONS and TRACE) must be sent
// again only if the server has certainly not executed it. The cases, and how
// each is kept to that rule:
//
//   - HTTP/1.1, nothing was written to a connection that turned out closed:
//     not executed.
//   - HTTP/1.1, the connection failed before an answer: only the four methods
//     above are sent again. net/http, which has the bodies that are still
//     arriving, would also send a request with a header Idempotency-Key again
//     ([hideIdempotencyKeys] hides it); http1 knows no such
//     exception. Both send again if the connection had served before: at most once for each
//     idle connection, and last on a new one.
//   - HTTP/2, the connection was closed before the request was written, or the
//     server's GOAWAY excludes the stream, or it reset the stream with
//     REFUSED_STREAM: RFC 9113 (6.8, 8.7) guarantees that it was not executed.
//   - HTTP/2, the server reset the stream with PROTOCOL_ERROR: nothing is
//     guaranteed, and net/http would send again a request without a body.
//     Such a request gets a body of no bytes here, so that net/http must ask
//     GetBody for it, which refuses once such a reset has been seen.
//   - A body that is still arriving is kept for the cases above if its length is
//     known and at most 3 MiB, within a bound for all bodies (keep.go). One that
//     is not kept cannot be sent again: its GetBody fails with
//     subjects.CodeUpstreamRefused, so that the bridge can tell its caller that
//     the request was not executed.
//   - Upgrades each have their own connection, on which net/http never sends
//     twice. (A GET that upgrades to exec is not harmless.)
//
// replay_test.go, once_test.go and keep_test.go try them with servers that break
// off.

// errMayHaveRun keeps net/http from sending a request again.
var errMayHaveRun = fault.Newf(subjects.CodeUpstream,
	"connection to API server lost: the server may have executed the request: not sent again")

// wholeBody is a body that has arrived completely.
type wholeBody struct {
	bytes.Reader
	data []byte
	up   *upstream.Client
	seen uint64 // up.ProtocolResets when the request was made
}

// setWholeBody gives req the body b.
func setWholeBody(req *http.Request, b []byte, u *upstream.Client) {
	req.ContentLength = int64(len(b))
	harmless := http1.Harmless(req.Method)
	// Over HTTP/1.1 a body of no bytes would be sent as an empty chunked one.
	if len(b) == 0 && (harmless || !u.Multiplexed()) {
		req.Body = nil
		return
	}
	body := &wholeBody{data: b, up: u, seen: u.ProtocolResets()}
	body.Reset(b)
	req.Body = body
	req.GetBody = body.again
	if harmless {
		req.GetBody = body.rewound
	}
}

func (b *wholeBody) Close() error { return nil }

func (b *wholeBody) again() (io.ReadCloser, error) {
	if b.up.ProtocolResets() != b.seen {
		return nil, errMayHaveRun
	}
	return b.rewound()
}

func (b *wholeBody) rewound() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.data)), nil
}

// hideIdempotencyKeys writes two names of headers in lower case, where net/http
// does not find them: with either header it would send any request again.
func hideIdempotencyKeys(h http.Header) {
	for _, name := range [...]string{"Idempotency-Key", "X-Idempotency-Key"} {
		if v, ok := h[name]; ok {
			delete(h, name)
			h[lowerNames[name]] = v
		}
	}
}

var lowerNames = map[string]string{"Idempotency-Key": "idempotency-key", "X-Idempotency-Key": "x-idempotency-key"}
