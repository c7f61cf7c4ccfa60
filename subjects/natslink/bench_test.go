package natslink

import (
	"testing"

	"github.com/fairlead-io/fairlead/subjects/stream"
)

func BenchmarkUnary(b *testing.B) {
	srv := startServer(b, 0)
	defer stopServer(srv)
	br, _, _ := start(b, srv.ClientURL(), func(s *stream.Stream) {
		if _, err := s.Next(); err == nil {
			_ = s.WriteFinal(make([]byte, 1024))
		}
	})
	req := make([]byte, 200)
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s, err := br.Open(b.Context(), "prod", "a1", req, true)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := s.Next(); err != nil {
				b.Fatal(err)
			}
			s.Close()
		}
	})
}

func BenchmarkDownload(b *testing.B) {
	srv := startServer(b, 0)
	defer stopServer(srv)
	br, _, _ := start(b, srv.ClientURL(), func(s *stream.Stream) {
		_, _ = s.ReadFrom(endless{})
	})
	s, err := br.Open(b.Context(), "prod", "a1", []byte("x"), true)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		for n := 0; n < 1<<20; {
			c, err := s.Next()
			if err != nil {
				b.Fatal(err)
			}
			n += len(c)
		}
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }
