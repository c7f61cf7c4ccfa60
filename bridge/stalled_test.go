package bridge

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// A client that has stopped reading an upgraded connection must not keep the
// bridge from stopping.
func TestStalledUpgradeIsCutWhenDraining(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	blocked := make(chan struct{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(switchTo("SPDY/3.1"))
		b := make([]byte, 1<<20)
		_ = s.SetWriteDeadline(time.Now().Add(2 * time.Second))
		for {
			if _, err := s.Write(b); err != nil {
				break // the client's and every other buffer is full
			}
		}
		close(blocked)
		<-s.Context().Done()
	})
	_, br := r.raw(upgradeHead)
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	within(t, "nothing moves any more", 10*time.Second, blocked)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- r.server.Drain(ctx) }()
	if err := within(t, "Drain returns", 5*time.Second, drained); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Drain: %v, want that the time was over", err)
	}
}
