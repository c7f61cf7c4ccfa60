package subjects

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"time"
)

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
//	then nothing, or extensions
//	uvarint   number of extensions, at least 1
//	for each  id: uvarint, larger than the one before; value: string
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
	return finishHead(b, start, h.Header, h.Extensions)
}

// AppendResponseHead appends the prefix and the encoded head.
//
//	4 bytes   length of what follows
//	uvarint   status
//	uvarint   content length + 1, 0 = unknown
//	uvarint   number of header lines, then as in a request
//
// The error wraps [ErrHeadTooLarge] or [ErrHead].
func AppendResponseHead(b []byte, h *ResponseHead) ([]byte, error) {
	if h.Status < 100 || h.Status > 999 {
		return b, fmt.Errorf("%w: status %d", ErrHead, h.Status)
	}
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.AppendUvarint(b, uint64(h.Status))
	b = binary.AppendUvarint(b, uint64(max(h.ContentLength, -1)+1))
	return finishHead(b, start, h.Header, h.Extensions)
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

func finishHead(b []byte, start int, h http.Header, ext []Extension) ([]byte, error) {
	b, err := appendHeader(b, h)
	if err != nil {
		return b, err
	}
	if len(ext) > 0 {
		if b, err = appendExtensions(b, ext); err != nil {
			return b, err
		}
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
