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

// tunnel answers an upgrade with the API server's 101 and then carries raw
// bytes both ways until both sides have ended. The end of one direction is
// passed on and leaves the other as it is.
func (h *Handler) tunnel(ctx context.Context, x *exchange, resp *http.Response) error {
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || x.upgrade == "" {
		return badAnswer(errors.New("switched protocols without being asked"))
	}
	if got := resp.Header.Get("Upgrade"); !strings.EqualFold(got, x.upgrade) {
		return badAnswer(fmt.Errorf("switched to protocol %q where %q was asked for", got, x.upgrade))
	}
	head := responseHead(resp)
	b, err := subjects.AppendResponseHead(nil, &head)
	if err != nil {
		return badAnswer(err)
	}
	if _, err := x.stream.Write(b); err != nil {
		return err
	}
	// net/http has let go of the connection: it is ours to close.
	stop := context.AfterFunc(ctx, func() {
		if !endedWell(ctx, x.stream) {
			_ = conn.Close()
		}
	})
	defer stop()

	up := make(chan struct{})
	go func() {
		defer close(up)
		h.pumpUp(x, conn)
	}()
	err = h.pumpDown(ctx, x.stream, conn)
	if err != nil {
		// Nothing can arrive any more at one of the ends.
		_ = conn.Close()
		if x.stream.Context().Err() == nil {
			h.fail(ctx, x.stream, x.head, err)
		}
	}
	<-up
	return nil
}

// endedWell reports whether ctx, which derives from s's context, is done only
// because both directions have ended. Bytes of the client may then still be on
// their way from the stream to the connection.
func endedWell(ctx context.Context, s *stream.Stream) bool {
	return s.Err() == nil && errors.Is(context.Cause(ctx), context.Canceled)
}

// pumpUp carries the client's bytes to the API server.
func (h *Handler) pumpUp(x *exchange, conn io.ReadWriteCloser) {
	w := &countedWriter{conn, h.metrics.up}
	_, err := w.Write(x.rest)
	if err == nil {
		_, err = x.stream.WriteTo(w)
	}
	switch {
	case err == nil:
		if c, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = c.CloseWrite() // one that has ended cannot be told so
		}
	case x.stream.Err() != nil:
		_ = conn.Close() // wakes pumpDown
	default:
		// The API server takes no more; what it still says decides the rest.
		x.stream.StopReading()
	}
}

// pumpDown carries the API server's bytes to the client.
func (h *Handler) pumpDown(ctx context.Context, s *stream.Stream, conn io.Reader) error {
	if _, err := s.ReadFrom(&counted{conn, h.metrics.down}); err != nil {
		return readError(ctx, s, err)
	}
	return s.CloseWrite()
}
