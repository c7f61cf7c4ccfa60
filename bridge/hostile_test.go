package bridge

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// A name that may not pass as a header does not pass as a trailer either.
func TestTrailersAreNoWayAround(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(append(encodeHead(200, -1, "Trailer", "X-Sum, Set-Cookie"), "hello"...))
		b, _ := subjects.AppendTrailer(nil, http.Header{
			"X-Sum": {"7"}, "Set-Cookie": {"a=b"}, "Content-Length": {"0"}, "Transfer-Encoding": {"chunked"},
			"Fairlead-Error": {"offline"}, "X-Request-Id": {"theirs"}, "Connection": {"close"}, "X-Accel-Redirect": {"/x"},
		})
		_ = s.CloseWriteTrailer(b)
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		res, body := r.do(c, r.request("GET", "/k8s/clusters/prod/x", nil))
		for k, v := range res.Trailer {
			if len(v) > 0 && k != "X-Sum" {
				t.Errorf("trailer %s: %q", k, v)
			}
		}
		if body != "hello" || res.Trailer.Get("X-Sum") != "7" {
			t.Errorf("body %q, trailer %v", body, res.Trailer)
		}
	})
	_, br := r.raw("GET /k8s/clusters/prod/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nConnection: close\r\n\r\n")
	b, _ := io.ReadAll(br)
	if _, end, _ := strings.Cut(string(b), "\r\n0\r\n"); end != "X-Sum: 7\r\n\r\n" {
		t.Errorf("after the body: %q", end)
	}
}

// HTTP/1.0 has no informational responses.
func TestNoInformationalResponsesOverHTTP10(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_ = s.WriteFinal(append(encodeHead(103, -1, "Link", "</x>"), append(encodeHead(200, 2), "ok"...)...))
	})
	_, br := r.raw("GET /k8s/clusters/prod/x HTTP/1.0\r\nAuthorization: Bearer $TOKEN\r\n\r\n")
	if b, _ := io.ReadAll(br); !strings.HasPrefix(string(b), "HTTP/1.0 200 OK\r\n") || strings.Contains(string(b), "Link") {
		t.Errorf("got %q", b)
	}
}

// An agent that sends nothing else must not keep the bridge busy for ever.
func TestEndlessInformationalResponses(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		for b := encodeHead(103, -1); ; {
			if _, err := s.Write(b); err != nil {
				return
			}
		}
	})
	// net/http's own client would give up by itself.
	_, br := r.raw("GET /k8s/clusters/prod/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nConnection: close\r\n\r\n")
	if b, _ := io.ReadAll(br); !strings.Contains(string(b), "502 Bad Gateway") {
		t.Errorf("got %.200q...", b)
	}
	res, _ := r.do(r.h1, r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"path":"/x"}`)))
	if res.StatusCode != 502 {
		t.Errorf("a call as JSON: %d", res.StatusCode)
	}
}
