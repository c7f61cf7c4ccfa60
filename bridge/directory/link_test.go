package directory

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestOwnLinkDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		d.Link(false)
		if got := d.Cluster("prod").State; got != Disconnected || d.Connected() != 0 {
			t.Errorf("while the link is down: %s, %d connected", got, d.Connected())
		}
		time.Sleep(time.Second)
		_, err := pickWithin(t, d, "prod", defaultGrace-time.Second)
		wantState(t, err, Disconnected)
		time.Sleep(time.Minute)
		_, err = pickNow(t, d, "prod")
		wantState(t, err, Disconnected)
		d.Link(true)
		if _, err = pickNow(t, d, "prod"); err != nil {
			t.Fatalf("silence while the link was down counted: %v", err)
		}
		time.Sleep(defaultPeerTimeout)
		if got := d.Cluster("prod").State; got != Offline {
			t.Errorf("after the link is up for the timeout: %s, want %s", got, Offline)
		}
	})
}

// TestOfflineStaysKnownOverAReconnect: a cluster that was offline before the bridge's
// own link was renewed is known to be offline afterwards.
func TestOfflineStaysKnownOverAReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		d.Presence("prod", "a2", presence(subjects.PresenceUp))
		time.Sleep(time.Minute) // both crashed
		d.Link(false)
		d.Link(true)
		_, err := pickWithin(t, d, "prod", 250*time.Millisecond) // asked again, once
		wantState(t, err, Offline)
		_, err = pickNow(t, d, "prod")
		wantState(t, err, Offline)

		// An instance that vanished just before may be reconnecting like the bridge.
		d.Presence("prod", "a3", presence(subjects.PresenceUp))
		d.Absent("prod", "a3")
		time.Sleep(3 * time.Second)
		d.Link(false)
		time.Sleep(time.Second)
		d.Link(true)
		_, err = pickWithin(t, d, "prod", defaultGrace)
		wantState(t, err, Offline)
	})
}

func TestRefusedLinkIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Refused() // late: the link is up by now
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		if _, err := pickNow(t, d, "prod"); err != nil {
			t.Fatal(err)
		}
		d.Link(false)
		time.AfterFunc(time.Second, d.Refused)
		_, err := pickWithin(t, d, "prod", time.Second)
		wantState(t, err, Disconnected)
		_, err = pickNow(t, d, "prod")
		wantState(t, err, Disconnected)
		d.Link(true)
		if _, err := pickNow(t, d, "prod"); err != nil {
			t.Fatal(err)
		}
		d.Link(false) // another loss, of which nothing is known yet
		_, err = pickWithin(t, d, "prod", defaultGrace)
		wantState(t, err, Disconnected)
	})
}

func TestLinkComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		d.Link(false)
		time.AfterFunc(time.Second, func() { d.Link(true) })
		if _, err := pickWithin(t, d, "prod", time.Second); err != nil {
			t.Fatal(err)
		}
	})
}
