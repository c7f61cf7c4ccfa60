package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// respond sends an ordinary response: its head, its body as it arrives, and its
// trailer.
func (h *Handler) respond(ctx context.Context, x *exchange, resp *http.Response) error {
	whole, err := h.begin(ctx, x, resp)
	if whole || err != nil {
		return err
	}
	if _, err := x.stream.ReadFrom(&counted{resp.Body, h.metrics.down}); err != nil {
		return readError(ctx, x.stream, err)
	}
	return finishWhole(ctx, x.stream, nil, resp)
}

// finishWhole is finish for a response that was read to its end. If the request
// was cancelled meanwhile, that end, or all of the response if it has no body, may only be
// the server's reaction to the connection that closes: net/http can still read it.
func finishWhole(ctx context.Context, s *stream.Stream, rest []byte, resp *http.Response) error {
	if ctx.Err() != nil {
		return lost(ctx, context.Cause(ctx))
	}
	return finish(s, rest, resp)
}

// finish sends rest, the trailer of resp (which may be nil) and the end.
func finish(s *stream.Stream, rest []byte, resp *http.Response) error {
	if resp == nil || !hasTrailer(resp.Trailer) {
		return s.WriteFinal(rest)
	}
	trailer, err := subjects.AppendTrailer(nil, resp.Trailer)
	if err != nil {
		return badResponse(err)
	}
	if len(rest) > 0 {
		if _, err := s.Write(rest); err != nil {
			return err
		}
	}
	return s.CloseWriteTrailer(trailer)
}

func hasTrailer(t http.Header) bool {
	for _, v := range t {
		if len(v) > 0 {
			return true
		}
	}
	return false
}

// responseHead returns the head of resp, whose header it modifies and keeps.
func responseHead(resp *http.Response) subjects.ResponseHead {
	hd := resp.Header
	if resp.StatusCode != http.StatusSwitchingProtocols {
		subjects.StripNamed(hd, hd["Connection"])
		for name := range hd {
			if name == "Trailer" || subjects.HopByHop(name) {
				delete(hd, name)
			}
		}
	}
	if len(resp.Trailer) > 0 { // announced: net/http has moved the names there
		names := make([]string, 0, len(resp.Trailer))
		for name := range resp.Trailer {
			names = append(names, name)
		}
		slices.Sort(names)
		hd["Trailer"] = []string{strings.Join(names, ", ")}
	}
	return subjects.ResponseHead{Status: resp.StatusCode, ContentLength: resp.ContentLength, Header: hd}
}

// badResponse is the fault of a response that cannot be passed on. The request
// was executed.
func badResponse(err error) error {
	return fault.Newf(subjects.CodeUpstream, "response of API server: %w", err)
}

// readError returns the error of a copy from the API server to the stream: err
// itself if the stream ended, a fault if the response did.
func readError(ctx context.Context, s *stream.Stream, err error) error {
	if s.Err() != nil || errors.Is(err, stream.ErrStopped) {
		return err
	}
	return lost(ctx, fmt.Errorf("read response: %w", err))
}

// lost is the fault of a response that broke off with err.
func lost(ctx context.Context, err error) error {
	if f := fault.Interrupted(ctx); f != nil {
		return f
	}
	if f := fault.In(err); f != nil { // of the request's body
		return f
	}
	return fault.Newf(subjects.CodeUpstream, "connection to API server lost: %w", err)
}
