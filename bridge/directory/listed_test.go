package directory

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestConfiguredListDecidesWhatIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{Clusters: []string{"prod"}})
		_, err := pickNow(t, d, "typo")
		wantState(t, err, Unknown)
		_, err = pickWithin(t, d, "prod", 250*time.Millisecond)
		wantState(t, err, NeverConnected)
		d.Presence("other", "a1", presence(subjects.PresenceUp))
		_, err = pickNow(t, d, "other")
		wantState(t, err, Unknown)
		if l := d.Clusters(); len(l) != 1 || l[0].Name != "prod" || l[0].State != NeverConnected {
			t.Errorf("Clusters = %+v, want only prod", l)
		}
	})
}

// TestSetClusters: a cluster that is removed is forgotten and unknown at once, for
// requests that wait for it too. Clusters that stay are as they were, and those
// that are added can connect.
func TestSetClusters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{Clusters: []string{"prod", "staging", "waited"}})
		for _, name := range []string{"prod", "staging"} {
			d.Presence(name, "a1", presence(subjects.PresenceUp))
		}
		waited := make(chan error, 1)
		go func() {
			_, err := d.Pick(t.Context(), "waited", new(Attempt))
			waited <- err
		}()
		synctest.Wait()
		if removed := d.SetClusters([]string{"waited", "staging", "prod"}); len(removed) != 0 {
			t.Errorf("another order removes %v", removed)
		}
		if removed := d.SetClusters([]string{"dev", "prod"}); !slices.Equal(removed, []string{"staging"}) {
			t.Errorf("removed %v, want staging", removed)
		}
		wantState(t, <-waited, Unknown)
		_, err := pickNow(t, d, "staging")
		wantState(t, err, Unknown)
		if _, err := pickNow(t, d, "prod"); err != nil {
			t.Errorf("a cluster that stays: %v", err)
		}
		d.Presence("dev", "a1", presence(subjects.PresenceUp))
		if _, err := pickNow(t, d, "dev"); err != nil {
			t.Errorf("a cluster that was added: %v", err)
		}
		if d.SetClusters(nil); !d.Listed("any") {
			t.Error("without a list a name is unknown")
		}
		if d.SetClusters([]string{}); d.Listed("prod") || len(d.clusters) != 0 || d.unheard != 0 || d.instances != 0 {
			t.Errorf("after an empty list: %d clusters, %d unheard, %d instances", len(d.clusters), d.unheard, d.instances)
		}
	})
}
