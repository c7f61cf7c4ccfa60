package natslink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// workload serves requests and counts how often each was executed: "bulk N" is
// answered with N chunks of [bulk], all else with itself.
type workload struct {
	mu       sync.Mutex
	executed map[string]int
}

func (w *workload) serve(s *stream.Stream) {
	first, err := s.Next()
	if err != nil {
		return
	}
	if n, ok := strings.CutPrefix(string(first), "bulk "); ok {
		var chunks int
		_, _ = fmt.Sscan(n, &chunks)
		serveBulk(s, chunks)
		return
	}
	body := string(first)
	w.count(body)
	_ = s.WriteFinal([]byte(body))
}

func (w *workload) count(body string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.executed == nil {
		w.executed = map[string]int{}
	}
	w.executed[body]++
}

// check fails for each request that was executed more than once, and returns
// how many were executed.
func (w *workload) check(t testing.TB) int {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for body, n := range w.executed {
		if n != 1 {
			t.Errorf("%s was executed %d times", body, n)
		}
	}
	return len(w.executed)
}

// bulk is a body that both ends can compute, chunk by chunk.
type bulk struct {
	random *rand.ChaCha8
	chunk  [32 << 10]byte
}

func newBulk() *bulk { return &bulk{random: rand.NewChaCha8([32]byte{1})} }

func (b *bulk) next() []byte {
	_, _ = b.random.Read(b.chunk[:])
	return b.chunk[:]
}

func serveBulk(s *stream.Stream, chunks int) {
	b := newBulk()
	for range chunks {
		if _, err := s.Write(b.next()); err != nil {
			return
		}
	}
	_ = s.CloseWrite()
}

// download asks for a bulk and compares it until it ends or more, which is
// called with the number of bytes so far, returns false.
func download(ctx context.Context, b *Bridge, chunks int, more func(total int) bool) error {
	s, err := b.Open(ctx, "prod", "a1", fmt.Appendf(nil, "bulk %d", chunks), true)
	if err != nil {
		return err
	}
	defer s.Close()
	want, got := newBulk(), make([]byte, 32<<10)
	for i := range chunks {
		if !more(i * len(got)) {
			return nil
		}
		if _, err := io.ReadFull(s, got); err != nil {
			return fmt.Errorf("download broke in chunk %d of %d: %w", i, chunks, err)
		}
		if !bytes.Equal(got, want.next()) {
			return fmt.Errorf("chunk %d of %d is not as it was sent", i, chunks)
		}
	}
	if n, err := s.Read(got); n != 0 || err != io.EOF {
		return fmt.Errorf("%d bytes and %w after the end", n, err)
	}
	return nil
}

// post makes a request, again while no agent executes it.
func post(ctx context.Context, b *Bridge, body string) error {
	for {
		s, err := b.Open(ctx, "prod", "a1", []byte(body), true)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(s)
		s.Close()
		if subjects.CodeOf(err).NotExecuted() { // the agent is not back yet
			continue
		}
		if err == nil && string(got) != body {
			err = errors.New("another answer: " + string(got))
		}
		return err
	}
}
