package stream

import (
	"io"
	"testing"
)

// Benchmarks over an in-memory link without delay, both ends in this process:
// for comparing two versions of the engine with each other.

// benchPair is a pair whose acceptor reads the request and answers with n bytes.
func benchPair(b *testing.B, n int) *pair {
	b.Helper()
	answer := noise(n, 1)
	p := newPair(b, Config{}, faults{}, func(s *Stream) {
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
		_ = s.WriteFinal(answer)
	})
	b.Cleanup(p.close)
	b.ReportAllocs()
	return p
}

func benchExchange(b *testing.B, p *pair, request []byte) {
	s, err := p.opener.Open(b.Context(), "agent", request, true)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.WriteTo(io.Discard); err != nil {
		b.Fatal(err)
	}
	s.Close()
}

// BenchmarkUnary is one exchange at a time.
func BenchmarkUnary(b *testing.B) {
	p, request := benchPair(b, 1<<10), noise(200, 2)
	for b.Loop() {
		benchExchange(b, p, request)
	}
}

// BenchmarkUnaryParallel is many at a time.
func BenchmarkUnaryParallel(b *testing.B) {
	p, request := benchPair(b, 1<<10), noise(200, 2)
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			benchExchange(b, p, request)
		}
	})
}

// BenchmarkPostParallel is many requests at a time whose bodies fit their
// openings.
func BenchmarkPostParallel(b *testing.B) {
	p, request := benchPair(b, 100), noise(31<<10, 2)
	b.SetBytes(int64(len(request)))
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			benchExchange(b, p, request)
		}
	})
}

// BenchmarkDownload is one stream of 8 MiB.
func BenchmarkDownload(b *testing.B) {
	const size = 8 << 20
	p, request := benchPair(b, size), noise(200, 2)
	b.SetBytes(size)
	for b.Loop() {
		benchExchange(b, p, request)
	}
}
