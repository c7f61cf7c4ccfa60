package stream

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestRestedClock: an endpoint that had nothing to do for a while acknowledges what comes as
// soon as one that has, and wakes up seldom until then.
func TestRestedClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScene(t, false)
		defer func() {
			c.e.Close()
			synctest.Wait()
		}()
		c.e.Receive(c.p, data(0, 7, 5, "busy"))
		want := c.says()
		for i := range uint64(3) {
			time.Sleep((restAfter + 1) * ackDelay)
			synctest.Wait()
			c.e.out.mu.Lock()
			if !c.e.out.resting {
				t.Error("the clock does not rest")
			}
			c.e.out.mu.Unlock()
			c.l.take()
			c.e.Receive(c.p, data(0, 7, 9+4*i, "rest"))
			if got := c.says(); got == "" {
				t.Errorf("said %q within %v, want an acknowledgement, like %q", got, ackDelay, want)
			}
		}
	})
}
