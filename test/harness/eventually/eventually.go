package eventually

import (
	"errors"
	"testing"
	"time"
)

const (
	// Bound is how long a condition may take. It is for machines under load; a test
	// that wants a time-out of its own uses [Within].
	Bound = 30 * time.Second

	firstPause = time.Millisecond
	// maxPause bounds how late a wait notices its condition.
	maxPause = 20 * time.Millisecond
)

var errNotYet = errors.New("not yet")

// True waits until ok returns true. It fails t if that takes longer than [Bound].
func True(t testing.TB, what string, ok func() bool) {
	t.Helper()
	Nil(t, what, func() error {
		if !ok() {
			return errNotYet
		}
		return nil
	})
}

// Nil waits until check returns nil. It fails t with the last error if that takes longer
// than [Bound].
func Nil(t testing.TB, what string, check func() error) {
	t.Helper()
	Within(t, Bound, what, check)
}

// Within is [Nil] with another bound.
func Within(t testing.TB, bound time.Duration, what string, check func() error) {
	t.Helper()
	end := time.Now().Add(bound)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s: %v", what, bound, err)
		}
		time.Sleep(pause)
	}
}
