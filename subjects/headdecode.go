package subjects

import (
	"fmt"
	"net/http"
	"time"
)

// ParseRequestHead parses what follows the prefix. The error wraps [ErrHead] or,
// where the head demands an extension that this version does not know,
// [ErrExtension]: the request must not be executed then.
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
	h.Extensions = r.extensions()
	if err := r.end("request"); err != nil {
		return nil, err
	}
	if err := checkRequestLine(h.Method, h.Target, h.RequestID); err != nil {
		return nil, err
	}
	if err := checkExtensions(h.Extensions, ExtensionIdentity, ExtensionReview); err != nil {
		return nil, err
	}
	return h, nil
}

// Parse parses what follows the prefix into h, whose map is used again. After
// an error h is of no use but to parse into. The error wraps [ErrHead] or, where
// the head demands an extension that this version does not know,
// [ErrExtension].
func (h *ResponseHead) Parse(b []byte) error {
	r := newReader(b)
	status := r.uint()
	h.Status, h.ContentLength, h.Header = int(min(status, 1000)), r.length(), r.header(h.Header)
	h.Extensions = r.extensions()
	if err := r.end("response"); err != nil {
		return err
	}
	if h.Status < 100 || h.Status > 999 {
		return fmt.Errorf("%w: status %d", ErrHead, status)
	}
	return checkExtensions(h.Extensions)
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
