package sleep

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFor(t *testing.T) {
	const never = -1
	for name, tt := range map[string]struct {
		d, end, took time.Duration // end: when ctx ends
		whole        bool
	}{
		"whole":                 {time.Second, never, time.Second, true},
		"cut short":             {time.Second, time.Millisecond, time.Millisecond, false},
		"none":                  {0, never, 0, true},
		"less than none":        {-time.Second, never, 0, true},
		"of a context, ended":   {time.Second, 0, 0, false},
		"none, of an ended one": {0, 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.end != never {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.end)
					defer cancel()
				}
				began := time.Now()
				if whole := For(ctx, tt.d); whole != tt.whole || time.Since(began) != tt.took {
					t.Errorf("%v after %v, want %v after %v", whole, time.Since(began), tt.whole, tt.took)
				}
			})
		})
	}
}
