package call

import (
	"strings"
	"sync/atomic"
	"testing"
)

// TestGroupPanic: a panic in a goroutine is one of the handler that waits for it, once the
// others have returned.
func TestGroupPanic(t *testing.T) {
	var g Group
	var done atomic.Int32
	for i := range 10 {
		g.Go(func() {
			if i == 3 {
				panic("defect")
			}
			done.Add(1)
		})
	}
	defer func() {
		if v, _ := recover().(string); !strings.HasPrefix(v, "defect\n") || !strings.Contains(v, "group_test.go") || done.Load() != 9 {
			t.Errorf("%d others, panic %q", done.Load(), v)
		}
	}()
	g.Wait()
}

// TestGroup: without one, Wait just waits.
func TestGroup(t *testing.T) {
	var g Group
	var done atomic.Int32
	for range 10 {
		g.Go(func() { done.Add(1) })
	}
	if g.Wait(); done.Load() != 10 {
		t.Errorf("%d of 10", done.Load())
	}
}
