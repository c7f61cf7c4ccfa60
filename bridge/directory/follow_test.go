package directory

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestFollower: it tells of what presences say and of what time makes of them, once, and
// of no heartbeat that says nothing new.
func TestFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		f := d.Follow()
		step := func(what string, want State, instances int) {
			t.Helper()
			changed, forgotten := f.Changes()
			if len(changed) != 1 || changed[0].Name != "prod" || changed[0].State != want || len(changed[0].Instances) != instances || len(forgotten) > 0 {
				t.Errorf("%s: %+v, %v; want prod, %s with %d instances", what, changed, forgotten, want, instances)
			}
			if changed, forgotten := f.Changes(); len(changed)+len(forgotten) > 0 {
				t.Errorf("%s, asked again: %+v, %v", what, changed, forgotten)
			}
		}
		up := presence(subjects.PresenceUp)
		d.Presence("prod", "a1", up)
		step("an instance", Connected, 1)
		d.Presence("prod", "a2", up)
		step("another one", Connected, 2)
		beat := *up
		beat.Streams = 7
		d.Presence("prod", "a2", &beat)
		if changed, _ := f.Changes(); len(changed) > 0 {
			t.Errorf("a heartbeat is a change: %+v", changed)
		}
		reaches := *up
		reaches.Reachable = true
		d.Presence("prod", "a2", &reaches)
		step("the API server answers", Connected, 2)
		d.Presence("prod", "a2", presence(subjects.PresenceBye))
		step("a goodbye", Connected, 1)
		time.Sleep(defaultPeerTimeout) // longer than the grace from when it was due
		step("the other one is silent", Offline, 0)
		d.Presence("prod", "a3", up)
		step("it is back", Connected, 1)
		d.Absent("prod", "")
		step("the broker says that it is gone", Reconnecting, 0)
		d.Link(false)
		step("the link is lost", Disconnected, 0)
		d.Link(true)
		step("the link is back", Reconnecting, 0)
		time.Sleep(defaultGrace)
		step("the grace is over", Offline, 0)
		time.Sleep(DefaultForgetAfter + time.Minute)
		if changed, forgotten := f.Changes(); len(changed) > 0 || !slices.Equal(forgotten, []string{"prod"}) {
			t.Errorf("a day later: %+v, %v; want that prod is forgotten", changed, forgotten)
		}
		d.Presence("prod", "a4", up)
		step("and it comes back", Connected, 1)
		d.SetClusters([]string{"dev"})
		if changed, forgotten := f.Changes(); len(changed) > 0 || !slices.Equal(forgotten, []string{"prod"}) {
			t.Errorf("removed: %+v, %v", changed, forgotten)
		}
	})
}

// TestListenOnce: a second wait is for a link that was opened, and not for one that was
// lost and came back.
func TestListenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		listen := func(what string, want time.Duration) {
			t.Helper()
			began := time.Now()
			if err := d.ListenOnce(t.Context(), 5*time.Second); err != nil || time.Since(began) != want {
				t.Errorf("%s: %v after %v, want %v", what, err, time.Since(began), want)
			}
		}
		listen("at first", 5*time.Second)
		d.Link(false)
		time.AfterFunc(time.Second, func() { d.Link(true) })
		listen("after an outage", time.Second)
		d.Link(false)
		d.Link(true)
		listen("after another one", 0)
		d.LinkClosed()
		d.Opening()
		d.Link(true)
		time.Sleep(time.Second)
		d.Link(false)
		d.Link(true)
		listen("where it was lost before all was heard", 5*time.Second)
	})
}

// TestListenComplete: a wait ends as soon as the directory is said to be complete, and the
// next connection is waited for anew.
func TestListenComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{Clusters: []string{"prod", "dev"}})
		listen := func(what string, of func(context.Context, time.Duration) error, want time.Duration) {
			t.Helper()
			began := time.Now()
			if err := of(t.Context(), 5*time.Second); err != nil || time.Since(began) != want {
				t.Errorf("%s: %v after %v, want %v", what, err, time.Since(began), want)
			}
		}
		time.AfterFunc(time.Second, d.Complete)
		listen("once it is complete", d.ListenComplete, time.Second)
		listen("by the time alone", d.ListenOnce, 4*time.Second)
		d.LinkClosed()
		d.Complete() // too late
		d.Opening()
		d.Link(true)
		listen("the next connection", d.ListenComplete, 5*time.Second)
	})
}

// TestUnheard: those that this connection has not heard, of those that there may be.
func TestUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{Clusters: []string{"prod", "dev", "gone"}})
		unheard := func(want ...string) {
			t.Helper()
			if got := d.Unheard([]string{"prod", "dev", "gone", "unlisted"}); !slices.Equal(got, want) {
				t.Errorf("unheard %v, want %v", got, want)
			}
		}
		unheard("prod", "dev", "gone")
		d.Recall("dev", time.Now())
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		d.Presence("gone", "a1", presence(subjects.PresenceBye))
		unheard("dev")
		time.Sleep(time.Second)
		d.Link(false)
		d.Link(true)
		unheard("prod", "dev", "gone")
	})
}
