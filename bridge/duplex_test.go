package bridge

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func TestBodiesOfAnySizeBothWays(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	// The body is echoed while it still comes: full duplex.
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if _, err := s.Write(encodeHead(200, head.ContentLength)); err != nil {
			return
		}
		if _, err := s.ReadFrom(s); err == nil {
			_ = s.CloseWrite()
		}
	})
	for _, size := range []int{1, 1000, 28 << 10, 32 << 10, 33 << 10, 300_000, 2 << 20} {
		body := make([]byte, size)
		for i := range body {
			body[i] = byte(rand.Uint32())
		}
		want := sha256.Sum256(body)
		r.both(t, func(t *testing.T, c *http.Client) {
			for _, chunked := range []bool{false, true} {
				req := r.request("POST", "/k8s/clusters/prod/x", strings.NewReader(string(body)))
				if chunked {
					req.ContentLength = -1
				}
				res, got := r.do(c, req)
				if sha256.Sum256([]byte(got)) != want {
					t.Errorf("%d bytes (chunked: %v): got %d other bytes", size, chunked, len(got))
				}
				if wantLength := req.ContentLength; res.ContentLength != wantLength && size > 1000 {
					t.Errorf("%d bytes (chunked: %v): Content-Length %d, want %d", size, chunked, res.ContentLength, wantLength)
				}
			}
		})
	}
}

func TestFullDuplexConversation(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(encodeHead(200, -1))
		_, _ = s.ReadFrom(s)
		_ = s.CloseWrite()
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		pr, pw := io.Pipe()
		res, err := c.Do(r.request("POST", "/k8s/clusters/prod/x", pr)) // nothing sent yet
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		br := bufio.NewReader(res.Body)
		for i := range 5 {
			line := fmt.Sprintf("line %d\n", i)
			if _, err := io.WriteString(pw, line); err != nil {
				t.Fatal(err)
			}
			if got, err := br.ReadString('\n'); err != nil || got != line {
				t.Fatalf("sent %q, got %q, %v", line, got, err)
			}
		}
		_ = pw.Close()
		if b, err := io.ReadAll(br); err != nil || len(b) > 0 {
			t.Errorf("after the end: %q, %v", b, err)
		}
	})
}
