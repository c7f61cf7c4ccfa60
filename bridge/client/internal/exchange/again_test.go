package exchange

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPauses(t *testing.T) {
	l := Limits{Attempts: 4, Wait: 200 * time.Millisecond, MaxWait: 15 * time.Second}
	for n := 1; n < 100; n++ {
		most := min(l.Wait<<min(n-1, 10), l.MaxWait)
		if d := l.Pause(n); d < most/2 || d > most {
			t.Errorf("pause %d: %v, want %v to %v", n, d, most/2, most)
		}
	}
	for seconds, want := range map[int]time.Duration{-1: 0, 0: 0, 7: 7 * time.Second, 1 << 62: 1 << 30 * time.Second} {
		if d := Asked(seconds); d != want {
			t.Errorf("%d s are %v, want %v", seconds, d, want)
		}
	}
}

// TestSleep: a pause that the context would cut short is none.
func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if !Sleep(ctx, 59*time.Second) || time.Since(began) != 59*time.Second {
			t.Errorf("slept for %v", time.Since(began))
		}
		if Sleep(ctx, 2*time.Second) || time.Since(began) != 59*time.Second {
			t.Errorf("waited until %v for a pause that has no end", time.Since(began))
		}
		time.AfterFunc(time.Millisecond, cancel)
		if Sleep(ctx, 500*time.Millisecond) || time.Since(began) != 59*time.Second+time.Millisecond {
			t.Errorf("woken after %v", time.Since(began))
		}
	})
}
