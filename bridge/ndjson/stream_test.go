package ndjson

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type line struct {
	N    int             `json:"n"`
	Body json.RawMessage `json:"body,omitempty"`
}

// serve serves h over HTTP/1.1 or HTTP/2.
func serve(t *testing.T, h2 bool, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = h2
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// TestLinesArriveWhole: many writers at once, and each line arrives as it is written,
// without the response's end.
func TestLinesArriveWhole(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		more := make(chan struct{})
		s := serve(t, h2, func(w http.ResponseWriter, r *http.Request) {
			var rec answer.Record
			lines := Begin(w, r, &rec)
			var all sync.WaitGroup
			for i := range 100 {
				all.Go(func() { _ = lines.Write(line{N: i, Body: json.RawMessage("{\n \"a\": \"<\"\n}")}) })
			}
			all.Wait()
			<-more
			if err := lines.End(); err != nil || rec.Status != 200 || rec.Sent == 0 || rec.LastSent.IsZero() {
				t.Errorf("%v, %+v", err, rec)
			}
		})
		res, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Header.Get("Content-Type"); got != ContentType || res.Header.Get("X-Accel-Buffering") != "no" {
			t.Errorf("header %v", res.Header)
		}
		seen := map[int]bool{}
		lines := bufio.NewScanner(res.Body)
		for len(seen) < 100 && lines.Scan() {
			var l line
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil || string(l.Body) != `{"a":"<"}` {
				t.Fatalf("%s: %v", lines.Bytes(), err)
			}
			seen[l.N] = true
		}
		close(more)
		if rest, err := io.ReadAll(res.Body); len(seen) != 100 || len(rest) > 0 || err != nil {
			t.Errorf("%d lines, then %q, %v", len(seen), rest, err)
		}
		_ = res.Body.Close()
	}
}

// TestSilenceIsAllowed: between two lines any time may pass, also more than a client has
// for a line.
func TestSilenceIsAllowed(t *testing.T) {
	const patience = 100 * time.Millisecond
	for _, h2 := range []bool{false, true} {
		s := serve(t, h2, func(w http.ResponseWriter, r *http.Request) {
			var rec answer.Record
			lines := begin(w, r, &rec, patience)
			for n := range 3 {
				time.Sleep(3 * patience)
				if err := lines.Write(line{N: n}); err != nil {
					t.Errorf("HTTP/2 %v: line %d: %v", h2, n, err)
				}
			}
			if err := lines.End(); err != nil {
				t.Errorf("HTTP/2 %v: %v", h2, err)
			}
		})
		res, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		if n := strings.Count(string(text), "\n"); err != nil || n != 3 {
			t.Errorf("HTTP/2 %v: %d lines, %v", h2, n, err)
		}
		_ = res.Body.Close()
	}
}

// TestCutEndsAWrite: a client that does not read keeps no writer after a cut, and the
// error stays.
func TestCutEndsAWrite(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		ended := make(chan error, 1)
		s := serve(t, h2, func(w http.ResponseWriter, r *http.Request) {
			var rec answer.Record
			lines := Begin(w, r, &rec)
			time.AfterFunc(50*time.Millisecond, func() { lines.Cut(100 * time.Millisecond) })
			big := line{Body: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)}
			for range 100 {
				if lines.Write(big) != nil {
					break
				}
			}
			lines.Cut(time.Hour) // it is no later
			if lines.Write(line{}) == nil {
				t.Error("a line after an error")
			}
			ended <- lines.End()
		})
		res, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if err == nil {
				t.Error("100 MiB were written to a client that does not read")
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the write has not ended")
		}
		_ = res.Body.Close()
	}
}

// TestConnectionServesAgain: the deadline of lines is none of the next request's.
func TestConnectionServesAgain(t *testing.T) {
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		var rec answer.Record
		patience := 50 * time.Millisecond
		if r.URL.Path == "/second" {
			patience = time.Minute
		}
		lines := begin(w, r, &rec, patience)
		_ = lines.Write(line{N: 1})
		if err := lines.End(); err != nil {
			t.Error(err)
		}
	})
	for _, path := range []string{"/", "/second"} {
		res, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(res.Body); string(b) != "{\"n\":1}\n" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		_ = res.Body.Close()
		time.Sleep(60 * time.Millisecond) // longer than the first one's patience
	}
	res, err := s.Client().Head(s.URL)
	if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != ContentType {
		t.Errorf("HEAD: %v, %v", res, err)
	}
}
