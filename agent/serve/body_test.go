package serve

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
)

const hundredMB = 100 << 20

// pattern is an endless and cheap source of bytes that do not repeat soon.
func pattern() io.Reader {
	block := make([]byte, 1<<20+7)
	_, _ = rand.Read(block)
	return &looped{block: block}
}

type looped struct {
	block []byte
	at    int
}

func (l *looped) Read(p []byte) (int, error) {
	n := copy(p, l.block[l.at:])
	l.at = (l.at + n) % len(l.block)
	return n, nil
}

func TestHundredMegabytesEachWay(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		sent := make(chan string, 1)
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				sum := sha256.New()
				n, err := io.Copy(sum, r.Body)
				fmt.Fprintf(w, "%d %x %v", n, sum.Sum(nil), err)
				return
			}
			sum := sha256.New()
			_, _ = io.CopyN(io.MultiWriter(w, sum), pattern(), hundredMB)
			sent <- hex.EncodeToString(sum.Sum(nil))
		})
		p := newPair(t, agenttest.ConfigFor(s))

		st := p.open(t, agenttest.Get("/"), nil, true)
		agenttest.MustHead(t, st)
		sum := sha256.New()
		n, err := io.Copy(sum, st)
		if got := hex.EncodeToString(sum.Sum(nil)); n != hundredMB || err != nil || got != <-sent {
			t.Errorf("download: %d bytes, error %v, sum %s", n, err, got)
		}
		for length, size := range map[int64]int64{hundredMB: hundredMB, -1: 8 << 20} {
			st = p.open(t, agenttest.Post("/", length), nil, false)
			sum.Reset()
			if _, err := st.ReadFrom(io.TeeReader(io.LimitReader(pattern(), size), sum)); err != nil {
				t.Fatal(err)
			}
			if err := st.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			agenttest.MustHead(t, st)
			b, err := io.ReadAll(st)
			if want := fmt.Sprintf("%d %x <nil>", size, sum.Sum(nil)); string(b) != want || err != nil {
				t.Errorf("upload with length %d: got %q, %v, want %q", length, b, err, want)
			}
		}
	})
}

func TestEarlyAnswerDuringUpload(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadFull(r.Body, make([]byte, 100<<10))
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		})
		p := newPair(t, agenttest.ConfigFor(s))
		st := p.open(t, agenttest.Post("/", hundredMB), nil, false)
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			n, err := st.ReadFrom(io.LimitReader(pattern(), hundredMB))
			if err == nil {
				t.Errorf("all %d bytes were taken", n)
			}
		}()
		if h := agenttest.MustHead(t, st); h.Status != 413 {
			t.Errorf("got %d", h.Status)
		}
		if b, err := io.ReadAll(st); string(b) != "too large\n" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
		agenttest.Within(t, 10*time.Second, "the writer is told to stop", stopped)
	})
}

func TestBrokenBodyAbortsTheRequest(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		for _, length := range []int64{-1, 1 << 20} {
			arrived, read := make(chan struct{}), make(chan error, 1)
			s := agenttest.Server(t, h2, func(_ http.ResponseWriter, r *http.Request) {
				close(arrived)
				_, err := io.ReadAll(r.Body)
				read <- err
			})
			p := newPair(t, agenttest.ConfigFor(s))
			st := p.open(t, agenttest.Post("/", length), []byte("half a bo"), false)
			agenttest.Within(t, 10*time.Second, "the request arrives", arrived)
			st.Reset(subjects.CodeBadRequest, "client's chunk is broken")
			if err := <-read; err == nil {
				t.Errorf("length %d: the API server took half a body for a whole one", length)
			}
		}
	})
}

func TestBodyOfAnotherLengthThanAnnounced(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err == nil && (strings.Contains(r.URL.Path, "short") || len(b) > 5) {
				t.Errorf("%s: %d bytes were taken for the whole body", r.URL.Path, len(b))
			}
		})
		p := newPair(t, agenttest.ConfigFor(s))
		agenttest.WantReset(t, p.open(t, agenttest.Post("/short", 10), []byte("12345"), true), subjects.CodeBadRequest)
		agenttest.WantReset(t, p.open(t, agenttest.Post("/long", 3), []byte("12345"), true), subjects.CodeBadRequest)
		st := p.open(t, agenttest.Post("/streamed-short", 10), []byte("1"), false)
		_ = st.WriteFinal([]byte("short"))
		agenttest.WantReset(t, st, subjects.CodeBadRequest)
		// Bytes after a body of the announced length are not passed on. Either they
		// or the answer may be noticed first.
		st = p.open(t, agenttest.Post("/streamed-long", 3), []byte("1"), false)
		_ = st.WriteFinal([]byte("2345"))
		if _, err := io.Copy(io.Discard, st); err != nil && subjects.CodeOf(err) != subjects.CodeBadRequest {
			t.Errorf("got %v", err)
		}
		if h, _ := p.do(t, agenttest.Post("/exact", 5), []byte("12345")); h.Status != 200 {
			t.Errorf("got %d", h.Status)
		}
	})
}

func TestFullDuplex(t *testing.T) {
	// HTTP/2 only: net/http's HTTP/1.1 client stops sending once it has an answer
	// to read, unless the server goes on reading.
	s := agenttest.Server(t, true, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(bytes.ToUpper(buf[:n]))
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	})
	p := newPair(t, agenttest.ConfigFor(s))
	st := p.open(t, agenttest.Post("/", -1), nil, false)
	agenttest.MustHead(t, st)
	buf := make([]byte, 4)
	for _, word := range []string{"ping", "pong"} {
		if _, err := io.WriteString(st, word); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(st, buf); err != nil || string(buf) != strings.ToUpper(word) {
			t.Fatalf("got %q, %v", buf, err)
		}
	}
	_ = st.CloseWrite()
	if b, err := io.ReadAll(st); len(b) != 0 || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}

func chunk(r *http.Request, i int) string {
	s := fmt.Sprintf("chunk%d", i)
	if r.URL.Path == "/length" && i == 1 {
		return s[:4]
	}
	return s
}
