package serve

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/agent/upstream/http1"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// setBody makes the stream's bytes the body of req. rest are those that came
// with the head, trailer the names of the announced trailer.
func (x *exchange) setBody(req *http.Request, rest []byte, trailer []string, h *Handler) error {
	length := x.head.ContentLength
	ended := x.stream.Ended()
	switch {
	case length >= 0 && int64(len(rest)) > length, ended && length > int64(len(rest)):
		return wrongLength(length, int64(len(rest)))
	case len(trailer) == 0 && (ended || length == int64(len(rest))):
		h.metrics.up.Add(float64(len(rest)))
		setWholeBody(req, rest, h.up)
		return nil
	}
	x.body = &streamedBody{
		arriving: arriving{stream: x.stream, rest: rest, length: length, metrics: h.metrics},
		up:       h.up, seen: h.up.ProtocolResets(), harmless: http1.Harmless(req.Method),
	}
	x.body.current = &attempt{body: x.body}
	if length > 0 && length <= maxKept && len(trailer) == 0 {
		x.body.kept = keptBytes{budget: &h.kept, length: length}
	}
	req.Body, req.GetBody = x.body.current, x.body.again
	req.ContentLength = length
	if length == 0 {
		req.ContentLength = -1 // only a trailer follows
	}
	if len(trailer) > 0 {
		x.body.announce(trailer)
		req.Trailer = x.body.trailer
	}
	return nil
}

// arriving reads a body from a stream, once. It is for one goroutine at a time.
type arriving struct {
	stream  *stream.Stream
	rest    []byte
	length  int64 // announced, -1 if unknown
	got     int64
	trailer http.Header
	metrics *Metrics
}

func (b *arriving) announce(names []string) {
	b.trailer = make(http.Header)
	for _, v := range names {
		for name := range strings.SplitSeq(v, ",") {
			switch name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name {
			case "", "Transfer-Encoding", "Content-Length", "Trailer", "Authorization": // never in a trailer
			default:
				if !subjects.ClaimsIdentity(name) {
					b.trailer[name] = nil
				}
			}
		}
	}
}

// read returns io.EOF only for a body that is whole.
func (b *arriving) read(p []byte) (n int, err error) {
	if len(b.rest) > 0 {
		n = copy(p, b.rest)
		b.rest = b.rest[n:]
	} else {
		n, err = b.stream.Read(p)
	}
	b.got += int64(n)
	b.metrics.up.Add(float64(n))
	switch {
	case b.length >= 0 && b.got > b.length:
		return 0, wrongLength(b.length, b.got)
	case errors.Is(err, io.EOF) && b.length > b.got:
		return n, wrongLength(b.length, b.got)
	case errors.Is(err, io.EOF):
		return n, b.readTrailer()
	}
	return n, err
}

func (b *arriving) readTrailer() error {
	t := b.stream.Trailer()
	if len(t) == 0 || b.trailer == nil {
		return io.EOF
	}
	got, err := subjects.ParseTrailer(t)
	if err != nil {
		return headFault(err)
	}
	for name := range b.trailer { // those that were announced
		if v := got[name]; len(v) > 0 {
			b.trailer[name] = v
		}
	}
	return io.EOF
}

// wrongLength is the fault of a body that is shorter or longer than announced.
func wrongLength(announced, got int64) error {
	return fault.Newf(subjects.CodeBadRequest, "body of %d bytes announced, %d arrived", announced, got)
}
