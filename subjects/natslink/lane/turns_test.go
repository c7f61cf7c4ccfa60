package lane

import (
	"sync"
	"testing"
	"time"
)

// TestTurnsRest: where the scheduler is slow to come back, most messages do not wait for it.
func TestTurnsRest(t *testing.T) {
	l, _, broker := established(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	for range 16 { // compute, in pieces
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Microsecond):
				}
				for end := time.Now().Add(time.Millisecond); time.Now().Before(end); {
				}
			}
		})
	}
	wg.Go(func() {
		for b := make([]byte, 1<<10); ; {
			if _, err := broker.Read(b); err != nil {
				return
			}
		}
	})
	long := 0
	for range 20 {
		began := l.present().turns.from
		if err := l.publish("a", "", nil); err != nil {
			t.Fatal(err)
		}
		if l.present().turns.from != began {
			long++
		}
	}
	t.Logf("%d long turns", long)
	if long > 10 {
		t.Errorf("%d of 20 messages waited for a long turn", long)
	}
	_ = broker.Close()
}

// TestTurnsTook: short turns go on; a long one is followed by a hundred times as long without.
func TestTurnsTook(t *testing.T) {
	var turns turns
	now := time.Now()
	if turns.took(now, now.Add(time.Millisecond)); now.Before(turns.from) {
		t.Error("a short turn is followed by a rest")
	}
	turns.took(now, now.Add(10*time.Millisecond))
	if d := turns.from.Sub(now); d != 1010*time.Millisecond {
		t.Errorf("the next turn is after %v", d)
	}
}
