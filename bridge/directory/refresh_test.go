package directory

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestRefresh: a caller that asks for a cluster's state learns of a cut connection
// from the broker, not from ten seconds of silence.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queries atomic.Int32
		var answer func()
		d := New(Config{Query: func(string) error {
			queries.Add(1)
			if answer != nil {
				go func() {
					time.Sleep(time.Millisecond)
					answer()
				}()
			}
			return nil
		}})
		refresh := func() (State, time.Duration) {
			began := time.Now()
			d.Refresh(t.Context(), "prod")
			return d.Cluster("prod").State, time.Since(began)
		}

		if s, took := refresh(); s != NeverConnected || took != 0 || queries.Load() != 0 {
			t.Errorf("of a cluster never heard: %s after %v, %d queries", s, took, queries.Load())
		}
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		d.Presence("prod", "a2", presence(subjects.PresenceUp))
		if s, took := refresh(); s != Connected || took != 0 || queries.Load() != 0 {
			t.Errorf("just heard: %s after %v, %d queries", s, took, queries.Load())
		}

		time.Sleep(time.Second)
		answer = func() { d.Presence("prod", "a2", presence(subjects.PresenceUp)) }
		if s, took := refresh(); s != Connected || took != time.Millisecond || queries.Load() != 1 {
			t.Errorf("one answers: %s after %v, %d queries", s, took, queries.Load())
		}

		time.Sleep(time.Second)
		answer = nil // a query that was lost
		if s, took := refresh(); s != Connected || took != defaultFirstContact {
			t.Errorf("no answer: %s after %v", s, took)
		}
		answer = func() { d.Absent("prod", "") }
		asked := queries.Load()
		if s, took := refresh(); s != Connected || took != 0 || queries.Load() != asked {
			t.Errorf("asked a moment ago: %s after %v, %d queries", s, took, queries.Load())
		}
		time.Sleep(freshFor)
		if s, took := refresh(); s != Reconnecting || took != time.Millisecond {
			t.Errorf("no one is there: %s after %v", s, took)
		}
		time.Sleep(defaultGrace)
		if s, took := refresh(); s != Offline || took != 0 {
			t.Errorf("after the grace: %s after %v", s, took)
		}

		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		if s, _ := refresh(); s != Connected {
			t.Errorf("back: %s", s)
		}
	})
}

// A query that cannot be sent is not waited for.
func TestRefreshWithoutQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{Query: func(string) error { return errors.New("too many") }})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		time.Sleep(time.Second)
		began := time.Now()
		d.Refresh(t.Context(), "prod")
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %v", took)
		}
	})
}
