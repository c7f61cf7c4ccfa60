package link

import (
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// TestLosses: connections that are cut as soon as they are made are made ever
// more slowly; after one that lasted, the next is made at once.
func TestLosses(t *testing.T) {
	var l losses
	for i, step := range []struct {
		lasted time.Duration
		want   int
	}{{time.Second, 1}, {0, 2}, {reach.Steady - 1, 3}, {0, 4}, {reach.Steady, 1}, {time.Hour, 1}, {0, 2}} {
		if got := l.after(step.lasted); got != step.want {
			t.Errorf("loss %d: %d attempts, want %d", i, got, step.want)
		}
	}
}
