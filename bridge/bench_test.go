package bridge

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// Both sides and the client share one process here, over plain HTTP. These
// benchmarks show the effect of changes; the product is measured by package bench.

func BenchmarkUnary(b *testing.B) {
	r := newRig(b, rigOptions{plain: true})
	body := strings.Repeat("x", 1024)
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		reply(s, 200, body, "Content-Type", "application/json", "Audit-Id", "8e0ba5a1-7d46-4a4f", "Cache-Control", "no-cache, private",
			"Date", "Mon, 02 Jan 2006 15:04:05 GMT")
	})
	b.ReportAllocs()
	for b.Loop() {
		fetch(b, r, "GET", nil, 0)
	}
}

func BenchmarkDownload(b *testing.B) {
	const size = 64 << 20
	r := newRig(b, rigOptions{plain: true})
	chunk := make([]byte, 64<<10)
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(encodeHead(200, size))
		for range size / len(chunk) {
			if _, err := s.Write(chunk); err != nil {
				return
			}
		}
		_ = s.CloseWrite()
	})
	b.SetBytes(size)
	for b.Loop() {
		fetch(b, r, "GET", nil, 0)
	}
}

func BenchmarkUpload(b *testing.B) {
	const size = 64 << 20
	r := newRig(b, rigOptions{plain: true})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		drainBody(s)
		reply(s, 200, "")
	})
	b.SetBytes(size)
	for b.Loop() {
		fetch(b, r, "POST", &endless{left: size}, size)
	}
}

func fetch(b *testing.B, r *rig, method string, body io.Reader, length int64) {
	req := r.request(method, "/k8s/clusters/prod/api/v1/namespaces/default/pods/x", body)
	req.ContentLength = length
	res, err := r.h1.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		b.Fatal(res.StatusCode, err)
	}
	_ = res.Body.Close()
}

func BenchmarkEcho(b *testing.B) {
	const size = 8 << 20
	r := newRig(b, rigOptions{plain: true})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if _, err := s.Write(encodeHead(200, head.ContentLength)); err != nil {
			return
		}
		if _, err := s.ReadFrom(s); err == nil {
			_ = s.CloseWrite()
		}
	})
	b.SetBytes(size)
	for b.Loop() {
		fetch(b, r, "POST", &endless{left: size}, size)
	}
}
