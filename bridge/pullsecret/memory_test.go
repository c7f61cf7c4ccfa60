package pullsecret

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// TestLargeAnswersWait: a large answer waits for memory, no longer than its request may
// take, and smaller ones do not.
func TestLargeAnswersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		large, small := make([]byte, maxResponse+2), make([]byte, freeBytes-1)
		if err := m.large.Acquire(t.Context(), largeAtOnce); err != nil {
			t.Fatal(err)
		}
		if b, err := m.read(t.Context(), bytes.NewReader(small)); err != nil || len(b) != len(small) {
			t.Errorf("small: %d bytes, %v", len(b), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := m.read(ctx, bytes.NewReader(large))
		if f, ok := errors.AsType[*answer.Failure](err); !ok || f.Kind != answer.TimedOut {
			t.Errorf("large, no memory: %v", err)
		}
		time.AfterFunc(time.Second, func() { m.large.Release(1) })
		if b, err := m.read(t.Context(), bytes.NewReader(large)); err != nil || len(b) != maxResponse+1 {
			t.Errorf("large: %d bytes, %v", len(b), err)
		}
	})
}
