package bridge

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func TestEachPieceIsFlushed(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	next := make(chan string)
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(encodeHead(200, -1, "Content-Type", "application/json;stream=watch"))
		for line := range next {
			if line == "" {
				break
			}
			_, _ = s.Write([]byte(line))
		}
		_ = s.CloseWrite()
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		res, err := c.Do(r.request("GET", "/k8s/clusters/prod/api/v1/pods?watch=1", nil)) // head alone
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		br := bufio.NewReader(res.Body)
		for i := range 5 {
			line := fmt.Sprintf("{\"type\":\"ADDED\",\"n\":%d}\n", i)
			next <- line
			if got, err := br.ReadString('\n'); err != nil || got != line {
				t.Fatalf("event %q, %v, want %q", got, err, line)
			}
		}
		next <- ""
		if b, err := io.ReadAll(br); err != nil || len(b) > 0 {
			t.Errorf("after the end: %q, %v", b, err)
		}
	})
}

func TestResponsesWithoutBody(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		switch head.Target {
		case "/204":
			_ = s.WriteFinal(encodeHead(204, -1))
		case "/304":
			_ = s.WriteFinal(encodeHead(304, 5, "Etag", "\"x\""))
		default:
			_ = s.WriteFinal(encodeHead(200, 1234, "Content-Type", "text/plain"))
		}
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		res, body := r.do(c, r.request("HEAD", "/k8s/clusters/prod/x", nil))
		if res.StatusCode != 200 || res.ContentLength != 1234 || body != "" {
			t.Errorf("HEAD: %d, length %d, body %q", res.StatusCode, res.ContentLength, body)
		}
		for _, status := range []int{204, 304} {
			res, body := r.do(c, r.request("GET", "/k8s/clusters/prod/"+strconv.Itoa(status), nil))
			if res.StatusCode != status || body != "" {
				t.Errorf("got %d %q, want %d", res.StatusCode, body, status)
			}
		}
	})
}

func TestTrailersBothWays(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		b, _ := io.ReadAll(s)
		in, _ := subjects.ParseTrailer(s.Trailer())
		_, _ = s.Write(append(encodeHead(200, -1, "Trailer", "X-Sum"), b...))
		out, _ := subjects.AppendTrailer(nil, http.Header{
			"X-Sum": {in.Get("X-In") + in.Get("Authorization")}, "X-Late": {"1"}, "X-Announced": {head.Header.Get("Trailer")},
		})
		_ = s.CloseWriteTrailer(out)
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		req := r.request("POST", "/k8s/clusters/prod/x", strings.NewReader("hello"))
		req.ContentLength = -1
		req.Trailer = http.Header{"X-In": {"seven"}}
		res, body := r.do(c, req)
		if body != "hello" || res.Trailer.Get("X-Sum") != "seven" || res.Trailer.Get("X-Late") != "1" || res.Trailer.Get("X-Announced") != "X-In" {
			t.Errorf("body %q, trailer %v", body, res.Trailer)
		}
	})
}

func TestInformationalResponses(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		b := append(encodeHead(100, -1), encodeHead(103, -1, "Link", "</x>")...)
		_ = s.WriteFinal(append(append(b, encodeHead(200, 2, "X-A", "b")...), "ok"...))
	})
	_, br := r.raw("GET /k8s/clusters/prod/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n\r\n")
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 103 || res.Header.Get("Link") != "</x>" {
		t.Fatalf("got %v, %v, want a 103", res, err)
	}
	res, err = http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 200 || res.Header.Get("Link") != "" || res.Header.Get("X-A") != "b" {
		t.Fatalf("got %v, %v, want a 200 of its own", res, err)
	}
}

func TestHeadInPieces(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	long := strings.Repeat("v", 50_000)
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		b := append(encodeHead(200, 2, "X-Long", long), "ok"...)
		for len(b) > 0 {
			n := min(len(b), 1+rand.IntN(9_000))
			if n > 10 && len(b) > 50_000 {
				n = 3 // the prefix too
			}
			_, _ = s.Write(b[:n])
			b = b[n:]
		}
		_ = s.CloseWrite()
	})
	res, body := r.do(r.h1, r.request("GET", "/k8s/clusters/prod/x", nil))
	if body != "ok" || res.Header.Get("X-Long") != long {
		t.Errorf("body %q, header of %d bytes", body, len(res.Header.Get("X-Long")))
	}
}

// A response that breaks must never look complete.
func TestBrokenResponses(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	arrived := make(chan struct{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		length, _ := strconv.ParseInt(strings.TrimPrefix(head.Target, "/length="), 10, 64)
		switch head.Target {
		case "/reset":
			_, _ = s.Write(append(encodeHead(200, -1), "partial"...))
			<-arrived
			s.Reset(subjects.CodeUpstream, "connection lost")
		case "/reset-late":
			_, _ = s.Write(append(encodeHead(200, 100_000), strings.Repeat("x", 50_000)...))
			<-arrived
			s.Reset(subjects.CodeUpstream, "connection lost")
		default:
			_ = s.WriteFinal(append(encodeHead(200, length), strings.Repeat("x", 10)...))
		}
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		for _, target := range []string{"/reset", "/reset-late", "/length=9", "/length=11"} {
			res, err := c.Do(r.request("GET", "/k8s/clusters/prod"+target, nil))
			if err != nil {
				continue // broken before the head had left
			}
			if strings.HasPrefix(target, "/reset") {
				arrived <- struct{}{}
			}
			b, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err == nil {
				t.Errorf("%s: %d bytes with a clean end", target, len(b))
			}
		}
	})
	r.eventually("the metrics tell", func() bool { return r.metric("fairlead_bridge_aborted_total") > 0 })
}
