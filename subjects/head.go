package subjects

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// HeadPrefixLen is the length in bytes of the prefix of each direction of an
// exchange: the length of the encoded head that follows it, big endian. The
// body follows the head.
const HeadPrefixLen = 4

// ErrHead is wrapped where a head or trailer is malformed, whether it is to be
// sent or has arrived.
var ErrHead = errors.New("malformed head")

// ErrHeadTooLarge is wrapped where a head exceeds [MaxHead] bytes or
// [MaxHeaders] lines, or a trailer [MaxTrailer] bytes.
var ErrHeadTooLarge = errors.New("head too large")

// RequestHead is the head of a request as it crosses the wire.
type RequestHead struct {
	Method string
	// Target is the origin-form request target: an escaped path that begins
	// with "/" and an optional query, exactly as the API server shall see it.
	Target string
	// ContentLength is the body's length in bytes, -1 where it is not known.
	ContentLength int64
	// Timeout ends the exchange when it has lasted so long; 0 means never.
	// It has a resolution of a millisecond and is at most a year.
	Timeout time.Duration
	// RequestID is the same in the logs of all processes.
	RequestID string
	Header    http.Header
	// Extensions in the order of their ids. Of a head that has arrived they are
	// all that it brought: ids that are not known are to be ignored.
	Extensions []Extension
}

// ResponseHead is the head of a response as it crosses the wire.
type ResponseHead struct {
	Status        int
	ContentLength int64 // -1 where it is not known
	Header        http.Header
	Extensions    []Extension // as in a [RequestHead]
}

// maxTimeout bounds what a peer can ask for: more than a year is as good as no
// limit.
const maxTimeout = 365 * 24 * time.Hour

// HeadLen returns the length of the encoded head that prefix announces. The
// error wraps [ErrHeadTooLarge].
func HeadLen(prefix []byte) (int, error) {
	if len(prefix) < HeadPrefixLen {
		return 0, fmt.Errorf("%w: prefix of %d bytes", ErrHead, len(prefix))
	}
	n := binary.BigEndian.Uint32(prefix)
	if n > MaxHead {
		return 0, fmt.Errorf("%w: %d bytes, at most %d allowed", ErrHeadTooLarge, n, MaxHead)
	}
	return int(n), nil
}

// checkRequestLine keeps a sender from making, and a receiver from taking, what
// could smuggle a second request or forge a line of a log.
func checkRequestLine(method, target, id string) error {
	if !validToken(method) {
		return fmt.Errorf("%w: method %s", ErrHead, quoteShort(method))
	}
	if !validValue(id) {
		return fmt.Errorf("%w: control character in request id", ErrHead)
	}
	if len(target) == 0 || target[0] != '/' {
		return fmt.Errorf("%w: target %s does not begin with a slash", ErrHead, quoteShort(target))
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == 0x7f {
			return fmt.Errorf("%w: target %s holds a space or control character", ErrHead, quoteShort(target))
		}
	}
	return nil
}

// staticNames are header names written as one byte. The table belongs to the
// protocol version: a new entry, which is only ever appended, needs a new one.
var staticNames = [...]string{
	"", "Accept", "Accept-Encoding", "Content-Type", "Content-Length", "User-Agent", "Date",
	"Audit-Id", "Cache-Control", "X-Kubernetes-Pf-Flowschema-Uid", "X-Kubernetes-Pf-Prioritylevel-Uid",
	"Content-Encoding", "Vary", "Etag", "If-None-Match", "If-Match", "Last-Modified", "Location",
	"Connection", "Upgrade", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Protocol",
	"Sec-Websocket-Accept", "Sec-Websocket-Extensions", "X-Stream-Protocol-Version", "Warning",
	"Retry-After", "Kubectl-Command", "Kubectl-Session", "Traceparent", "Tracestate",
	"Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "X-Request-Id", "X-Content-Type-Options",
	"Strict-Transport-Security", "Www-Authenticate", "Trailer", "Range", "Content-Range", "Accept-Ranges",
	"X-Accepted-Response-Headers", "Server", "Origin", "Allow", "Expires",
}

var staticIndex = func() map[string]byte {
	m := make(map[string]byte, len(staticNames))
	for i, n := range staticNames[1:] {
		m[n] = byte(i + 1)
	}
	return m
}()

// validToken reports whether s is a token of RFC 9110 section 5.6.2.
func validToken(s string) bool {
	for i := range len(s) {
		if !tokenChar[s[i]] {
			return false
		}
	}
	return len(s) > 0
}

var tokenChar = func() (t [256]bool) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "0123456789!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// validValue reports whether s may be a field value: no control characters
// but tab.
func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
