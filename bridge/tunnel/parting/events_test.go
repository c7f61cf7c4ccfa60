package parting

import (
	"net/http"
	"testing"
)

// TestEvents: where an event has ended, however the bytes came.
func TestEvents(t *testing.T) {
	const line, framed = `{"type":"ADDED"}` + "\n", "\x00\x00\x00\x03abc"
	for contentType, events := range map[string]string{
		"application/json": line + line,
		"application/json;stream=watch;as=Table;v=v1;g=meta.k8s.io":        line,
		"application/vnd.kubernetes.protobuf;stream=watch":                 framed + "\x00\x00\x00\x00" + framed,
		"application/vnd.kubernetes.protobuf; stream=watch; charset=utf-8": framed,
	} {
		for size := 1; size <= len(events); size++ {
			e := NewEvents(http.Header{"Content-Type": {contentType}})
			if !e.Between() {
				t.Fatalf("%s: not between events at the beginning", contentType)
			}
			for at := 0; at < len(events); at += size {
				e.Pass([]byte(events[at:min(at+size, len(events))]))
			}
			if !e.Between() {
				t.Errorf("%s in pieces of %d: not between events at the end", contentType, size)
			}
			e.Pass([]byte("\x00"))
			if e.Between() {
				t.Errorf("%s: between events after a byte of another", contentType)
			}
		}
	}
}

// TestNoEvents: what is in another encoding is never added to.
func TestNoEvents(t *testing.T) {
	for _, h := range []http.Header{
		{},
		{"Content-Type": {"text/plain"}},
		{"Content-Type": {"application/json", "text/plain"}},
		{"Content-Type": {"application/json;"}, "Content-Encoding": {"gzip"}},
		{"Content-Type": {"application/cbor"}},
		{"Content-Type": {"application/vnd.kubernetes.protobuf"}},
		{"Content-Type": {"/"}},
	} {
		if e := NewEvents(h); e.Between() {
			t.Errorf("%v: an event could be added", h)
		}
	}
}
