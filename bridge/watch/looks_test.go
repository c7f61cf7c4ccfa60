package watch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestLooks: a change is looked at at once, one that comes early after the pause, and without
// one there is a look all the same.
func TestLooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		changed := make(chan struct{}, 1)
		l := looks{changed: changed}
		ctx, cancel := context.WithCancel(t.Context())
		after := func(want time.Duration) {
			t.Helper()
			begun := time.Now()
			if !l.wait(ctx) {
				t.Fatal("it has ended")
			}
			if took := time.Since(begun); took != want {
				t.Errorf("looked after %v, want %v", took, want)
			}
		}
		after(lookAtLeast)
		l.took(time.Millisecond)
		time.Sleep(time.Second)
		changed <- struct{}{}
		after(0)
		l.took(time.Millisecond)
		changed <- struct{}{}
		time.AfterFunc(100*time.Millisecond, func() { changed <- struct{}{} }) // one look sees both
		after(lookPause)
		l.took(100 * time.Millisecond)
		changed <- struct{}{}
		after(100 * time.Millisecond * lookShare)
		l.took(time.Minute) // one that waited for a tenant's agents
		changed <- struct{}{}
		after(lookAtLeast)
		cancel()
		if l.wait(ctx) {
			t.Error("it has not ended")
		}
	})
}
