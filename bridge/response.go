package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/fairlead-io/fairlead/subjects"
)

// notBuffered tells an nginx in front to pass on at once what may come slowly:
// it buffers by default, so that the events of a watch come late or never.
var notBuffered = []string{"no"}

// respond writes a response other than a 101. ctx governs it.
func (s *Server) respond(ctx context.Context, w http.ResponseWriter, r *http.Request, rec *record, x *exchange, head *subjects.ResponseHead, prefix string) {
	h := w.Header()
	for n := 0; head.Status < 200; n++ {
		var err error
		if n == maxInformational {
			err = x.broken(errInformational.Error())
		} else {
			head, err = s.inform(w, r, rec, x, head, prefix)
		}
		if err != nil {
			x.refuseRest(w)
			s.fail(w, r, rec, statusBody, explain(ctx, rec.cluster, x.conn, err))
			return
		}
	}
	if head.Status/100 == 3 {
		asked, _ := originForm(r.RequestURI)
		_, asked = splitCluster(strings.TrimPrefix(s.withoutBase(asked), clustersPrefix))
		confine(head.Header, asked)
	}
	copyResponse(h, head.Header, prefix)
	x.refuseRest(w)
	status, length := head.Status, head.ContentLength
	putHead(head)
	rec.status = status
	hasBody := r.Method != http.MethodHead && status != http.StatusNoContent && status != http.StatusNotModified
	if hasBody && length < 0 && x.st.Ended() && len(x.st.Trailer()) == 0 {
		length = int64(len(x.rest)) // it is all there
	}
	// HEAD tells the length of what GET would give. A 304 may as well, but its
	// recipients wait for that many bytes on HTTP/2.
	if length >= 0 && (hasBody || r.Method == http.MethodHead) {
		rec.lengthValue[0] = strconv.FormatInt(length, 10)
		h["Content-Length"] = rec.lengthValue[:]
	}
	if hasBody && length < 0 {
		h["X-Accel-Buffering"] = notBuffered
	}
	w.WriteHeader(status)
	err := error(nil)
	if hasBody {
		rec.sent, err = copyBody(w, x, length)
	} else {
		err = x.skipBody()
	}
	if err == nil {
		err = writeTrailer(h, x.st.Trailer())
	}
	if err == nil {
		x.hurry(w)
	}
	if x.upload != nil {
		rec.received = x.upload.bytes.Load()
	}
	rec.aborted = err
}

// inform passes an informational response on and reads the next head. 100 is
// net/http's own to send, and already has been.
func (s *Server) inform(w http.ResponseWriter, r *http.Request, rec *record, x *exchange, head *subjects.ResponseHead, prefix string) (*subjects.ResponseHead, error) {
	if head.Status == http.StatusSwitchingProtocols {
		return nil, x.broken("a 101 after another informational response")
	}
	// A client of HTTP/1.0 would take it for the response.
	if head.Status != http.StatusContinue && r.ProtoAtLeast(1, 1) {
		h := w.Header()
		copyResponse(h, head.Header, prefix)
		w.WriteHeader(head.Status)
		clear(h)
		h["X-Request-Id"] = []string{rec.id}
	}
	return x.nextHead()
}

// maxInformational bounds the informational responses before a response: while
// they keep coming, nobody looks whether the client is still there.
const maxInformational = 64

var errInformational = errors.New("too many informational responses")

var (
	errTooLong  = errors.New("the response is longer than its Content-Length")
	errTooShort = errors.New("the response is shorter than its Content-Length")
)

// copyBody writes the body of a response and returns how many bytes were
// written. It flushes whenever there is nothing more to write at once, so that
// each line of a log and each event of a watch leaves as it comes.
func copyBody(w http.ResponseWriter, x *exchange, length int64) (sent int64, err error) {
	b := x.rest
	for {
		if length >= 0 && sent+int64(len(b)) > length {
			return sent, errTooLong
		}
		if len(b) > 0 {
			n, err := w.Write(b)
			sent += int64(n)
			if err != nil {
				return sent, fmt.Errorf("write to the client: %w", err)
			}
		}
		// The end of a response that has arrived goes out with its last bytes.
		if x.st.Buffered() == 0 && !x.st.Ended() {
			if err := w.(flusher).FlushError(); err != nil {
				return sent, fmt.Errorf("write to the client: %w", err)
			}
		}
		b, err = x.st.Next()
		if err == io.EOF || err != nil && length < 0 && x.left.Load() {
			break
		}
		if err != nil {
			return sent, err
		}
	}
	if length >= 0 && sent < length {
		return sent, errTooShort
	}
	return sent, nil
}

// skipBody waits for the end of a response that has no body.
func (x *exchange) skipBody() error {
	if len(x.rest) > 0 {
		return errTooLong
	}
	switch _, err := x.st.Next(); err {
	case io.EOF:
		return nil
	case nil:
		return errTooLong
	default:
		return err
	}
}

// writeTrailer hands a trailer to net/http, which sends it if the response's
// framing has room for one.
func writeTrailer(h http.Header, encoded []byte) error {
	if len(encoded) == 0 {
		return nil
	}
	trailer, err := subjects.ParseTrailer(encoded)
	if err != nil {
		return err
	}
	for k, vv := range trailer {
		if !httpguts.ValidTrailerHeader(k) || subjects.HopByHop(k) || forHost(k) || k == "X-Request-Id" || k == failureHeader {
			continue // what may not pass as a header
		}
		if !subjects.HasToken(h["Trailer"], k) {
			k = http.TrailerPrefix + k
		}
		h[k] = vv
	}
	return nil
}
