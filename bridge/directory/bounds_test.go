package directory

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestOfflineClusterIsForgotten: a cluster that was removed for good leaves
// the list a day later, and only then.
func TestOfflineClusterIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		listed := func() int { return len(d.Clusters()) }
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		d.Presence("prod", "a1", presence(subjects.PresenceBye))
		time.Sleep(DefaultForgetAfter - time.Second)
		_, err := pickNow(t, d, "prod")
		wantState(t, err, Offline)
		if listed() != 1 {
			t.Error("forgotten too early")
		}
		time.Sleep(time.Second)
		if listed() != 0 || len(d.clusters) != 0 {
			t.Errorf("%d clusters listed, %d known, a day after the only one went away", listed(), len(d.clusters))
		}
		_, err = pickWithin(t, d, "prod", 250*time.Millisecond) // asked for, like any other name
		wantState(t, err, NeverConnected)

		d.Presence("prod", "a2", presence(subjects.PresenceUp))
		in, err := pickNow(t, d, "prod")
		if err != nil || in.Name() != "a2" {
			t.Fatalf("a forgotten cluster that came back: %v, %v", in, err)
		}
		in.Release()
		// Expired entries are forgotten even without a list or a request.
		time.Sleep(DefaultForgetAfter)
		if s := d.Cluster("prod"); s.State != NeverConnected || !s.LastSeen.IsZero() {
			t.Errorf("got %+v, want a cluster that was never heard", s)
		}
		if d.unheard != 0 {
			t.Errorf("%d clusters unheard of %d", d.unheard, len(d.clusters))
		}
	})
}

// TestNoClusterIsForgottenUnheard: a bridge that was without its link for days
// gives every agent time to announce itself.
func TestNoClusterIsForgottenUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		d.Link(false)
		time.Sleep(2 * DefaultForgetAfter)
		if l := d.Clusters(); len(l) != 1 || l[0].State != Disconnected {
			t.Errorf("while the link is down: %+v", l)
		}
		d.Link(true)
		if l := d.Clusters(); len(l) != 1 || l[0].State != Connected {
			t.Errorf("at the return of the link: %+v", l)
		}
		time.Sleep(subjects.HeartbeatInterval)
		if l := d.Clusters(); len(l) != 0 {
			t.Errorf("a heartbeat later: %+v", l)
		}
	})
}

func TestConfiguredClusterIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{Clusters: []string{"prod"}})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		time.Sleep(2 * DefaultForgetAfter)
		if l := d.Clusters(); len(l) != 1 || l[0].State != Offline || l[0].LastSeen.IsZero() {
			t.Errorf("got %+v, want prod, offline", l)
		}
	})
}

// TestForgottenWhileWaitedFor: a request that waits for a cluster's first
// answer hears it although the entry it waits on was dropped.
func TestForgottenWhileWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		time.AfterFunc(50*time.Millisecond, func() {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			for i := range 2 * maxUnheard {
				_, _ = d.Pick(ctx, fmt.Sprintf("c%d", i), new(Attempt))
			}
		})
		time.AfterFunc(100*time.Millisecond, func() { d.Presence("prod", "a1", presence(subjects.PresenceUp)) })
		if _, err := pickWithin(t, d, "prod", 100*time.Millisecond); err != nil {
			t.Error(err)
		}
	})
}

// TestHeardClustersAreCapped: room is made among those offline, the longest
// first. A connected cluster does not give way.
func TestHeardClustersAreCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Presence("live", "a1", presence(subjects.PresenceUp))
		for i := range maxHeard + 100 {
			name := fmt.Sprintf("c%d", i)
			d.Presence(name, "a1", presence(subjects.PresenceUp))
			d.Presence(name, "a1", presence(subjects.PresenceBye))
			if i%4096 == 0 {
				time.Sleep(time.Second)
				d.Presence("live", "a1", presence(subjects.PresenceUp))
			}
		}
		if n := len(d.Clusters()); n > maxHeard {
			t.Errorf("%d clusters kept, want at most %d", n, maxHeard)
		}
		if s := d.Cluster("c1"); s.State != NeverConnected {
			t.Errorf("the one longest offline is %s, want it forgotten", s.State)
		}
		if s := d.Cluster(fmt.Sprintf("c%d", maxHeard+99)); s.State != Offline {
			t.Errorf("the newest is %s, want it known", s.State)
		}
		if s := d.Cluster("live"); s.State != Connected {
			t.Errorf("a connected cluster is %s", s.State)
		}
	})
}

func TestWhatPeersFillIsCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		for i := range 10 * maxInstances {
			d.Presence("prod", fmt.Sprintf("a%d", i), presence(subjects.PresenceUp))
			time.Sleep(time.Millisecond)
		}
		if n := len(d.clusters["prod"].instances); n != maxInstances {
			t.Errorf("%d instances kept, want %d", n, maxInstances)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for i := range 2 * maxUnheard {
			_, _ = d.Pick(ctx, fmt.Sprintf("c%d", i), new(Attempt))
		}
		if n := len(d.clusters); n > maxUnheard+1 {
			t.Errorf("%d clusters kept, want at most %d", n, maxUnheard+1)
		}
	})
}
