package answer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// fillBody appends n times the same length of the same byte.
func fillBody(b *Body, n, length int, with byte) {
	for range n {
		b.Append(func(p []byte) []byte { return append(p, bytes.Repeat([]byte{with}, length)...) })
	}
}

// TestBody: what is appended is written, with its length, whatever the pieces are; a HEAD
// request is told the length alone.
func TestBody(t *testing.T) {
	for _, tt := range []struct{ n, length int }{{0, 0}, {1, 0}, {1, 1}, {3, 100}, {1000, 600}, {5, pieceSize - 1}, {5, pieceSize}, {3, 3*pieceSize + 7}, {9, pieceSize * 15 / 16}} {
		for _, method := range []string{"GET", "HEAD"} {
			var b Body
			fillBody(&b, tt.n, tt.length, 'x')
			w, rec := httptest.NewRecorder(), &Record{}
			JSONBody(w, httptest.NewRequest(method, "/v1/clusters", http.NoBody), rec, http.StatusOK, &b)
			want := tt.n * tt.length
			if h := w.Header(); h.Get("Content-Length") != strconv.Itoa(want) || h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%+v: header %v, want a length of %d", tt, h, want)
			}
			if method == "HEAD" {
				want = 0
			}
			if got := w.Body.Bytes(); !bytes.Equal(got, bytes.Repeat([]byte{'x'}, want)) || rec.Sent != int64(want) || rec.Status != http.StatusOK {
				t.Errorf("%s %+v: %d bytes, %d noted, status %d, want %d bytes", method, tt, len(got), rec.Sent, rec.Status, want)
			}
			if b.Len() != 0 {
				t.Errorf("%s %+v: %d bytes are kept", method, tt, b.Len())
			}
		}
	}
}

// broken is a response whose client has hung up after some bytes.
type broken struct {
	http.ResponseWriter
	left int
	last []byte
}

func (w *broken) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		w.last = p
		return 0, errors.New("gone")
	}
	return len(p), nil
}

// TestBrokenBodyIsNotUsedAgain: a piece that was not written to its end may still be read.
func TestBrokenBodyIsNotUsedAgain(t *testing.T) {
	for range 5 { // the race detector has a pool forget some
		var b Body
		fillBody(&b, 5, pieceSize, 'x')
		w, rec := &broken{ResponseWriter: httptest.NewRecorder(), left: 2 * pieceSize}, &Record{}
		JSONBody(w, httptest.NewRequest("GET", "/v1/clusters", http.NoBody), rec, http.StatusOK, &b)
		if rec.Sent != 2*pieceSize || b.Len() != 0 {
			t.Errorf("%d bytes are noted, %d kept, want %d and 0", rec.Sent, b.Len(), 2*pieceSize)
		}
		fillBody(&b, 10, pieceSize, 'y')
		if w.last[0] != 'x' {
			t.Error("another body is where the broken one was")
		}
	}
}

// TestBodiesAtOnce: many at once, of which some clients hang up in the middle, are each
// their own, with both versions of HTTP.
func TestBodiesAtOnce(t *testing.T) {
	const length = 20 * pieceSize
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b Body
		fillBody(&b, 40, pieceSize/2, r.URL.Query().Get("with")[0])
		JSONBody(w, r, &Record{}, http.StatusOK, &b)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	h2 := s.Client()
	h1 := &http.Client{Transport: &http.Transport{TLSClientConfig: h2.Transport.(*http.Transport).TLSClientConfig.Clone()}}
	h1.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
	defer h1.CloseIdleConnections()
	var all sync.WaitGroup
	for i := range 16 {
		c, with, whole := []*http.Client{h1, h2}[i%2], byte('a'+i), i/2%2 == 0
		all.Go(func() {
			for range 4 {
				if err := readBody(c, fmt.Sprintf("%s?with=%c", s.URL, with), with, length, whole); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// readBody reads a whole body, or its beginning.
func readBody(c *http.Client, url string, with byte, length int, whole bool) error {
	res, err := c.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if !whole {
		length = pieceSize * 3 / 2
	}
	got, err := io.ReadAll(io.LimitReader(res.Body, int64(length)))
	if n := bytes.Count(got, []byte{with}); err != nil || n != length {
		return fmt.Errorf("%d bytes of %d are %c, want %d: %w", n, len(got), with, length, err)
	}
	return nil
}
