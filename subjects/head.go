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

// ErrHead is wrapped by the errors of [ParseRequestHead], [ParseResponseHead]
// and [ParseTrailer].
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
	// RequestID is what logs, audit and traces of all processes share.
	RequestID string
	Header    http.Header
}

// ResponseHead is the head of a response as it crosses the wire.
type ResponseHead struct {
	Status        int
	ContentLength int64 // -1 where it is not known
	Header        http.Header
}

// AppendRequestHead appends the prefix and the encoded head.
//
//	4 bytes   length of what follows
//	string    method          (string: uvarint length, bytes)
//	string    target
//	uvarint   content length + 1, 0 = unknown
//	uvarint   timeout in milliseconds, 0 = none
//	string    request id
//	uvarint   number of header lines
//	for each  name: one byte, an index into the static table, or 0 and a string
//	          value: string
//
// The error wraps [ErrHeadTooLarge] or [ErrHead].
func AppendRequestHead(b []byte, h *RequestHead) ([]byte, error) {
	if err := checkRequestLine(h.Method, h.Target, h.RequestID); err != nil {
		return b, err
	}
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = appendString(b, h.Method)
	b = appendString(b, h.Target)
	b = binary.AppendUvarint(b, uint64(max(h.ContentLength, -1)+1))
	// Rounded up: 0 would mean no limit at all.
	b = binary.AppendUvarint(b, uint64((min(max(h.Timeout, 0), maxTimeout)+time.Millisecond-1)/time.Millisecond))
	b = appendString(b, h.RequestID)
	return finishHead(b, start, h.Header)
}

// AppendResponseHead appends the prefix and the encoded head.
//
//	4 bytes   length of what follows
//	uvarint   status
//	uvarint   content length + 1, 0 = unknown
//	uvarint   number of header lines, then as in a request
func AppendResponseHead(b []byte, h *ResponseHead) ([]byte, error) {
	if h.Status < 100 || h.Status > 999 {
		return b, fmt.Errorf("%w: status %d", ErrHead, h.Status)
	}
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.AppendUvarint(b, uint64(h.Status))
	b = binary.AppendUvarint(b, uint64(max(h.ContentLength, -1)+1))
	return finishHead(b, start, h.Header)
}

// AppendTrailer appends an encoded trailer: a number of header lines and the
// lines, as in a head, with no prefix.
func AppendTrailer(b []byte, t http.Header) ([]byte, error) {
	start := len(b)
	b, err := appendHeader(b, t)
	if err == nil && len(b)-start > MaxTrailer {
		err = fmt.Errorf("%w: trailer of %d bytes, at most %d allowed", ErrHeadTooLarge, len(b)-start, MaxTrailer)
	}
	return b, err
}

func finishHead(b []byte, start int, h http.Header) ([]byte, error) {
	b, err := appendHeader(b, h)
	if err != nil {
		return b, err
	}
	n := len(b) - start - HeadPrefixLen
	if n > MaxHead {
		return b, fmt.Errorf("%w: %d bytes, at most %d allowed", ErrHeadTooLarge, n, MaxHead)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(n))
	return b, nil
}

func appendHeader(b []byte, h http.Header) ([]byte, error) {
	n := 0
	for _, vv := range h {
		n += len(vv)
	}
	if n > MaxHeaders {
		return b, fmt.Errorf("%w: %d header lines, at most %d allowed", ErrHeadTooLarge, n, MaxHeaders)
	}
	b = binary.AppendUvarint(b, uint64(n))
	for k, vv := range h {
		for _, v := range vv {
			if !validValue(v) {
				return b, fmt.Errorf("%w: control character in value of header %s", ErrHead, quoteShort(k))
			}
			if i := staticIndex[k]; i != 0 {
				b = append(b, i)
			} else if validToken(k) {
				b = appendString(append(b, 0), k)
			} else {
				return b, fmt.Errorf("%w: header name %s", ErrHead, quoteShort(k))
			}
			b = appendString(b, v)
		}
	}
	return b, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

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

// ParseRequestHead parses what follows the prefix. The error wraps [ErrHead].
// Header names and values are checked as RFC 9110 section 5 demands, so that
// nothing a peer sends can smuggle a second request.
func ParseRequestHead(b []byte) (*RequestHead, error) {
	r := newReader(b)
	h := &RequestHead{
		Method:        r.str(),
		Target:        r.str(),
		ContentLength: r.length(),
		Timeout:       time.Duration(min(r.uint(), uint64(maxTimeout/time.Millisecond))) * time.Millisecond,
		RequestID:     r.str(),
	}
	h.Header = r.header(nil)
	if err := r.end("request"); err != nil {
		return nil, err
	}
	if err := checkRequestLine(h.Method, h.Target, h.RequestID); err != nil {
		return nil, err
	}
	return h, nil
}

// maxTimeout bounds what a peer can ask for: beyond a year is no time limit.
const maxTimeout = 365 * 24 * time.Hour

// ParseResponseHead parses what follows the prefix. The error wraps [ErrHead].
func ParseResponseHead(b []byte) (*ResponseHead, error) {
	h := new(ResponseHead)
	if err := h.Parse(b); err != nil {
		return nil, err
	}
	return h, nil
}

// Parse is [ParseResponseHead] into h, whose map is used again. After an error
// h is of no use but to parse into.
func (h *ResponseHead) Parse(b []byte) error {
	r := newReader(b)
	status := r.uint()
	h.Status, h.ContentLength, h.Header = int(min(status, 1000)), r.length(), r.header(h.Header)
	if err := r.end("response"); err != nil {
		return err
	}
	if h.Status < 100 || h.Status > 999 {
		return fmt.Errorf("%w: status %d", ErrHead, status)
	}
	return nil
}

// ParseTrailer parses a trailer. The error wraps [ErrHead].
func ParseTrailer(b []byte) (http.Header, error) {
	r := newReader(b)
	h := r.header(nil)
	if err := r.end("trailer"); err != nil {
		return nil, err
	}
	return h, nil
}

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

// headReader reads fields one after the other; the first fault sticks. All
// strings are parts of one string, so that a head costs one allocation for
// its text and one for its values.
type headReader struct {
	s     string
	pos   int
	fault string
}

func newReader(b []byte) headReader { return headReader{s: string(b)} }

func (r *headReader) fail(what string) {
	if r.fault == "" {
		r.fault = what
	}
	r.pos = len(r.s)
}

func (r *headReader) uint() uint64 {
	var x uint64
	for shift := 0; shift < 64; shift += 7 {
		if r.pos >= len(r.s) {
			r.fail("truncated number")
			return 0
		}
		c := r.s[r.pos]
		r.pos++
		if shift == 63 && c > 1 {
			break
		}
		x |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return x
		}
	}
	r.fail("number too large")
	return 0
}

func (r *headReader) str() string {
	n := r.uint()
	if n > uint64(len(r.s)-r.pos) {
		r.fail("truncated string")
		return ""
	}
	s := r.s[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return s
}

func (r *headReader) length() int64 {
	n := r.uint()
	if n > maxOffset {
		r.fail("content length beyond 2^62")
		return -1
	}
	return int64(n) - 1
}

// header reads a header into h, which is cleared first and made where it is
// nil.
func (r *headReader) header(h http.Header) http.Header {
	clear(h)
	n := r.uint()
	// Each line takes at least two bytes: a lying count allocates nothing.
	if n > MaxHeaders || n > uint64(len(r.s)-r.pos)/2 {
		r.fail("too many header lines")
		return h
	}
	if h == nil {
		h = make(http.Header, n)
	}
	values := make([]string, 0, n)
	for range n {
		name := r.headerName()
		value := r.str()
		if r.fault != "" {
			return h
		}
		if !validValue(value) {
			r.fail("control character in value of header " + quoteShort(name))
			return h
		}
		values = append(values, value)
		if old, ok := h[name]; ok {
			h[name] = append(old, value)
		} else {
			i := len(values) - 1
			h[name] = values[i : i+1 : i+1]
		}
	}
	return h
}

func (r *headReader) headerName() string {
	if r.pos >= len(r.s) {
		r.fail("truncated header")
		return ""
	}
	i := r.s[r.pos]
	r.pos++
	if i != 0 {
		if int(i) >= len(staticNames) {
			r.fail("unknown header index")
			return ""
		}
		return staticNames[i]
	}
	name := r.str()
	if r.fault == "" && !validToken(name) {
		r.fail("header name " + quoteShort(name))
		return ""
	}
	return http.CanonicalHeaderKey(name)
}

func (r *headReader) end(what string) error {
	if r.fault == "" && r.pos != len(r.s) {
		r.fault = "bytes after its end"
	}
	if r.fault != "" {
		return fmt.Errorf("%w: %s: %s", ErrHead, what, r.fault)
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
