package eventually

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// failing is a test that notes how it failed.
type failing struct {
	testing.TB
	said string
}

func (*failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, looks := time.Now(), 0
		True(t, "the fifth look", func() bool { looks++; return looks == 5 })
		if took := time.Since(start); took != 15*time.Millisecond {
			t.Errorf("five looks took %s, want pauses of 1, 2, 4 and 8 ms", took)
		}

		for bound, wait := range map[time.Duration]func(*failing){
			Bound:       func(f *failing) { Nil(f, "it", func() error { return errors.New("no") }) },
			time.Minute: func(f *failing) { Within(f, time.Minute, "it", func() error { return errors.New("no") }) },
		} {
			f, done := &failing{}, make(chan struct{})
			start := time.Now()
			go func() { defer close(done); wait(f) }()
			<-done
			if took := time.Since(start); took < bound || took > bound+maxPause {
				t.Errorf("gave up after %s, want %s", took, bound)
			}
			if want := fmt.Sprintf("it: not within %s: no", bound); f.said != want {
				t.Errorf("failed with %q, want %q", f.said, want)
			}
		}
	})
}
