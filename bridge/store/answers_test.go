package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestUnanswered: what is told is for how long nothing has been answered, from the first
// question on and until the next answer, over other connections too. A refusal is an
// answer, and so is what is wrong with one stream.
func TestUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Store{metrics: newMetrics()}
		ask := func(d time.Duration, err error) {
			done := s.Observe(ReadEvents)
			time.Sleep(d)
			done(err)
		}
		want := func(text string) {
			t.Helper()
			err := s.Unanswered()
			if err == nil && text == "" {
				return
			}
			if want := "for " + text + ": the bridges' shared store is not available: no "; err == nil || text == "" || !errors.Is(err, ErrUnavailable) || err.Error()[:len(want)] != want {
				t.Errorf("%v, want that for %q", err, text)
			}
		}
		api := func(code jetstream.ErrorCode) error { return &jetstream.APIError{ErrorCode: code} }

		want("")
		ask(2*time.Second, context.DeadlineExceeded) // of a caller with little time
		want("")
		ask(6*time.Second, nats.ErrTimeout)
		want("8s")
		s.answers.connected() // the user was renewed
		want("8s")
		time.Sleep(time.Hour)
		ask(0, nats.ErrNoResponders)
		want("1h0m8s")
		ask(0, nats.ErrMaxPayload) // it was not sent
		ask(0, context.Canceled)
		ask(0, fmt.Errorf("%w: stream X cannot be used", ErrUnavailable))
		want("1h0m8s")
		ask(0, nil)
		want("")

		for _, answer := range []error{nil, api(10077), api(codeOffline), api(codeInProcess), fmt.Errorf("%w: %w", ErrNoRight, api(10001))} {
			early := s.Observe(ReadEvents)
			ask(4*time.Second, nats.ErrNoResponders)
			want("4s")
			ask(0, answer)
			want("")
			early(nats.ErrTimeout) // asked before that
			time.Sleep(tellAfter)
			want("")
		}
		early := s.Observe(ReadEvents)
		time.Sleep(tellAfter)
		s.answers.connected()
		early(nats.ErrTimeout) // of the connection before
		want("")
	})
}

// TestUnansweredWithoutLeader: brokers that say that JetStream has no leader do not answer
// for the store.
func TestUnansweredWithoutLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Store{metrics: newMetrics()}
		for _, code := range []jetstream.ErrorCode{codeNotAvailable, codeNoPeers} {
			done := s.Observe(LookAtStream)
			time.Sleep(tellAfter)
			done(s.Explain(&jetstream.APIError{ErrorCode: code}))
			if err := s.Unanswered(); !errors.Is(err, ErrUnavailable) {
				t.Errorf("%d: %v", code, err)
			}
			s.Observe(LookAtStream)(nil)
		}
	})
}
