package store

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestUnanswered: what is told is how long nothing has been answered, and no longer than
// until the next answer. A refusal is an answer.
func TestUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Store
		silent := fmt.Errorf("%w: no quorum", ErrUnavailable)
		want := func(text string) {
			t.Helper()
			if err := s.Unanswered(); fmt.Sprint(err) != text || err != nil && !errors.Is(err, ErrUnavailable) {
				t.Errorf("%v, want %v", err, text)
			}
		}
		want("<nil>")
		began := time.Now()
		time.Sleep(8 * time.Second)
		s.answers.note(began, silent)
		time.Sleep(3 * time.Second)
		s.answers.note(time.Now(), silent)
		time.Sleep(time.Second)
		want("for 4s: the bridges' shared store is not available: no quorum")

		s.answers.note(time.Now(), errors.New("the stream is full"))
		want("<nil>")
		s.answers.note(began, silent) // asked before that
		want("<nil>")

		time.Sleep(time.Second)
		s.answers.note(time.Now(), silent)
		want("for 0s: the bridges' shared store is not available: no quorum")
		s.answers.forget()
		want("<nil>")
	})
}
