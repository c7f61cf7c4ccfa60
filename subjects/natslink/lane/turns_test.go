package lane

import (
	"testing"
	"time"
)

// TestTurnsTook: short turns go on; a long one is followed by twenty times as long without.
func TestTurnsTook(t *testing.T) {
	var turns turns
	now := time.Now()
	if turns.took(now, now.Add(time.Millisecond)); now.Before(turns.from) {
		t.Error("a short turn is followed by a rest")
	}
	turns.took(now, now.Add(10*time.Millisecond))
	if d := turns.from.Sub(now); d != 210*time.Millisecond {
		t.Errorf("the next turn is after %v", d)
	}
}
