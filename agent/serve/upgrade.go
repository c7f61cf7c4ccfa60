package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// switchProtocols passes on the API server's 101 and then carries raw bytes both
// ways until both sides have ended. The end of one direction is passed on and
// does not affect the other.
func (h *Handler) switchProtocols(ctx context.Context, x *exchange, resp *http.Response) error {
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || x.upgrade == "" {
		return badResponse(errors.New("switched protocols without being asked to"))
	}
	if got := resp.Header.Get("Upgrade"); !strings.EqualFold(got, x.upgrade) {
		return badResponse(fmt.Errorf("switched to protocol %q instead of %q", got, x.upgrade))
	}
	head := responseHead(resp)
	b, err := subjects.AppendResponseHead(nil, &head)
	if err != nil {
		return badResponse(err)
	}
	if _, err := x.stream.Write(b); err != nil {
		return err
	}
	// net/http no longer owns the connection: it must be closed here.
	stop := context.AfterFunc(ctx, func() {
		if !endedWell(ctx, x.stream) {
			_ = conn.Close()
		}
	})
	defer stop()

	up := make(chan struct{})
	go func() {
		defer close(up)
		h.copyUp(x, conn)
	}()
	err = h.copyDown(ctx, x.stream, conn)
	if err != nil {
		// One of the ends is gone.
		_ = conn.Close()
		if x.stream.Context().Err() == nil {
			h.fail(ctx, x.stream, x.head, err)
		}
	}
	<-up
	return nil
}

// endedWell reports whether ctx, which derives from the stream's context, is done
// only because both directions have ended. Bytes of the client may then still be
// on their way from the stream to the connection.
func endedWell(ctx context.Context, s *stream.Stream) bool {
	return s.Err() == nil && errors.Is(context.Cause(ctx), context.Canceled)
}

// copyUp carries the client's bytes to the API server.
func (h *Handler) copyUp(x *exchange, conn io.ReadWriteCloser) {
	w := &countedWriter{conn, h.metrics.up}
	_, err := w.Write(x.rest)
	if err == nil {
		_, err = x.stream.WriteTo(w)
	}
	switch {
	case err == nil:
		if c, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = c.CloseWrite() // fails if it has ended already
		}
	case x.stream.Err() != nil:
		_ = conn.Close() // wakes copyDown
	default:
		// The API server reads no more; the other direction decides the rest.
		x.stream.StopReading()
	}
}

// copyDown carries the API server's bytes to the client.
func (h *Handler) copyDown(ctx context.Context, s *stream.Stream, conn io.Reader) error {
	if _, err := s.ReadFrom(&counted{conn, h.metrics.down}); err != nil {
		return readError(ctx, s, err)
	}
	return s.CloseWrite()
}
