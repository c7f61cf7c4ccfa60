package tunnel

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// respond writes a response other than a 101.
func (rl *relay) respond(head *subjects.ResponseHead) {
	for n := 0; head.Status < 200; n++ {
		var err error
		if n == maxInformational {
			err = rl.x.broken(errInformational.Error())
		} else {
			head, err = rl.forwardInformational(head)
		}
		if err != nil {
			rl.fail(err)
			return
		}
	}
	rl.awaitRefusal(head)
	length := rl.writeHead(head)
	putHead(head)
	if rl.rec.Status == http.StatusOK && subjects.IsLong(rl.r.Method, rl.to.Target) {
		rl.rec.Started()
	}
	var err error
	if rl.hasBody() {
		if rl.rec.Sent, err = rl.copyBody(length); err != nil {
			err = rl.explain(err)
		}
	} else {
		err = rl.x.skipBody()
	}
	if err == nil {
		err = writeTrailer(rl.w.Header(), rl.x.st.Trailer())
	}
	if err == nil {
		rl.flushEarly()
	}
	rl.rec.Aborted = err
}

// notBuffered tells an nginx in front to pass on a streamed response at once. By
// default nginx buffers it, and the events of a watch arrive late or never.
var notBuffered = []string{"no"}

// notSniffed tells browsers to trust a response's Content-Type. Otherwise a
// browser could run a cluster's text as a page or script of the origin that all
// clusters share.
var notSniffed = []string{"nosniff"}

// bearer takes the place of a cluster's challenge: RFC 9110 demands one in a 401, and
// browsers ask nobody for a bearer token.
var bearer = []string{"Bearer"}

// writeHead writes the response's head and returns the length of its body, -1 if
// that is unknown.
func (rl *relay) writeHead(head *subjects.ResponseHead) (length int64) {
	if head.Status/100 == 3 {
		confineRedirect(head.Header, rl.to.Target)
	}
	h := rl.w.Header()
	copyResponse(h, head.Header, rl.to.Prefix)
	rl.to.warnOfRBAC(h, rl.rec, head.Status, rl.x.rest)
	h["X-Content-Type-Options"] = notSniffed
	if head.Status == http.StatusUnauthorized {
		h["Www-Authenticate"] = bearer
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // net/http would guess one
	}
	rl.closeAfterResponse()
	rl.rec.Status, length = head.Status, head.ContentLength
	hasBody := rl.hasBody()
	if hasBody && length < 0 && rl.x.st.Ended() && len(rl.x.st.Trailer()) == 0 {
		length = int64(len(rl.x.rest)) // it is all there
	}
	// A response to HEAD has the length that GET would give. A 304 could have it too,
	// but HTTP/2 clients would then wait for that many bytes.
	if length >= 0 && (hasBody || rl.r.Method == http.MethodHead) {
		h["Content-Length"] = rl.rec.LengthValue(strconv.FormatInt(length, 10))
	}
	if hasBody && length < 0 {
		h["X-Accel-Buffering"] = notBuffered
	}
	rl.w.WriteHeader(head.Status)
	return length
}

// hasBody reports whether a response of the recorded status has a body.
func (rl *relay) hasBody() bool {
	status := rl.rec.Status
	return rl.r.Method != http.MethodHead && status != http.StatusNoContent && status != http.StatusNotModified
}

// forwardInformational passes an informational response on and reads the next
// head. It leaves out a 100, which net/http has already sent.
func (rl *relay) forwardInformational(head *subjects.ResponseHead) (*subjects.ResponseHead, error) {
	if head.Status == http.StatusSwitchingProtocols {
		return nil, rl.x.broken("a 101 after another informational response")
	}
	// An HTTP/1.0 client would mistake it for the response.
	if head.Status != http.StatusContinue && rl.r.ProtoAtLeast(1, 1) {
		h := rl.w.Header()
		own := maps.Clone(h)
		copyResponse(h, head.Header, rl.to.Prefix)
		rl.w.WriteHeader(head.Status)
		clear(h)
		maps.Copy(h, own)
	}
	return rl.x.nextHead()
}

// maxInformational bounds the informational responses before a response: as long
// as they arrive, a client that has hung up goes unnoticed.
const maxInformational = 64

var errInformational = errors.New("too many informational responses")

var (
	errTooLong  = errors.New("the response is longer than its Content-Length")
	errTooShort = errors.New("the response is shorter than its Content-Length")
)

// copyBody writes the body of a response and returns how many bytes were
// written. It flushes whenever no more bytes are ready, so that each line of a log
// and each event of a watch is sent as soon as it arrives.
func (rl *relay) copyBody(length int64) (sent int64, err error) {
	w, x := rl.w, &rl.x
	b := x.rest
	for {
		if length >= 0 && sent+int64(len(b)) > length {
			return sent, errTooLong
		}
		if len(b) > 0 {
			if err := x.usage.Take(rl.ctx, len(b)); err != nil {
				return sent, err
			}
			n, err := w.Write(b)
			sent += int64(n)
			rl.events.Pass(b[:n])
			if err != nil {
				return sent, fmt.Errorf("write to the client: %w", err)
			}
		}
		// If the end has arrived too, it is sent together with the last bytes.
		if x.st.Buffered() == 0 && !x.st.Ended() {
			if err := w.(flusher).FlushError(); err != nil {
				return sent, fmt.Errorf("write to the client: %w", err)
			}
			rl.rec.LastSent = time.Now()
		}
		b, err = x.st.Next()
		if err == io.EOF || err != nil && length < 0 && x.ended.Load() {
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
		if !httpguts.ValidTrailerHeader(k) || subjects.HopByHop(k) || forHost(k) || k == "X-Request-Id" || k == answer.Header {
			continue // it may not pass as a header
		}
		if !subjects.HasToken(h["Trailer"], k) {
			k = http.TrailerPrefix + k
		}
		h[k] = vv
	}
	return nil
}
