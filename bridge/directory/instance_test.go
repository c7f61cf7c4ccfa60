package directory

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestLifeOfACluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queries atomic.Int32
		d := New(Config{Query: func(string) error { queries.Add(1); return nil }})

		_, err := pickWithin(t, d, "prod", 250*time.Millisecond)
		wantState(t, err, NeverConnected)
		if queries.Load() != 1 {
			t.Errorf("%d queries at first contact, want 1", queries.Load())
		}
		_, err = pickNow(t, d, "prod") // the first wait told it
		wantState(t, err, NeverConnected)

		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		in, err := pickNow(t, d, "prod")
		if err != nil || in.Name() != "a1" {
			t.Fatalf("Pick = %v, %v", in, err)
		}
		in.Release()

		time.Sleep(defaultPeerTimeout - time.Second)
		if _, err := pickNow(t, d, "prod"); err != nil {
			t.Fatalf("silent for less than the timeout: %v", err)
		}
		heard := time.Now().Add(-(defaultPeerTimeout - time.Second))
		time.Sleep(2 * time.Second) // its next sign of life was due 6 s ago
		_, err = pickNow(t, d, "prod")
		if ue := wantState(t, err, Offline); !ue.Since.Equal(heard) {
			t.Errorf("offline since %v, want %v", ue.Since, heard)
		}

		d.Presence("prod", "a2", presence(subjects.PresenceDraining))
		_, err = pickNow(t, d, "prod")
		wantState(t, err, Draining)
		d.Presence("prod", "a2", presence(subjects.PresenceBye))
		_, err = pickNow(t, d, "prod")
		wantState(t, err, Offline)

		d.Presence("prod", "a3", &subjects.Presence{Protocol: [2]int{90, 91}, State: subjects.PresenceUp})
		_, err = pickNow(t, d, "prod")
		wantState(t, err, Incompatible)
	})
}

func TestByeIsKnownOfflineAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		d.Presence("prod", "a1", presence(subjects.PresenceBye))
		_, err := pickNow(t, d, "prod")
		wantState(t, err, Offline)
	})
}

// TestGraceBeginsWhenTheInstanceWasDue: an instance that is found to be gone long
// after it should have been heard is not waited for as if it had just vanished.
func TestGraceBeginsWhenTheInstanceWasDue(t *testing.T) {
	for silent, held := range map[time.Duration]time.Duration{
		0:               defaultGrace,
		4 * time.Second: defaultGrace,
		8 * time.Second: defaultGrace - 3*time.Second, // due 3 s ago
	} {
		synctest.Test(t, func(t *testing.T) {
			d := New(Config{})
			d.Presence("prod", "a1", presence(subjects.PresenceUp))
			in, err := pickNow(t, d, "prod")
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(silent)
			in.Lost()
			in.Release()
			_, err = pickWithin(t, d, "prod", held)
			wantState(t, err, Offline)
		})
	}
}

// TestAbsentInstance: once the broker says that an instance has no subscribers,
// new requests go to the others until the instance is heard again.
func TestAbsentInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Absent("prod", "a1") // an unknown cluster
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		d.Presence("prod", "a2", presence(subjects.PresenceUp))
		d.Absent("prod", "a1")
		d.Absent("prod", "a3") // not one of its instances
		for range 10 {
			if in, err := pickNow(t, d, "prod"); err != nil || in.Name() != "a2" {
				t.Fatalf("picked %v, %v, want a2", in, err)
			}
		}
		time.Sleep(defaultGrace - time.Second)
		d.Absent("prod", "a1") // still: the grace counts from the first time
		d.Presence("prod", "a2", presence(subjects.PresenceBye))
		_, err := pickWithin(t, d, "prod", time.Second)
		wantState(t, err, Offline)
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		if _, err := pickNow(t, d, "prod"); err != nil {
			t.Fatalf("back, and not picked: %v", err)
		}
	})
}

// TestFalseLossIsAskedAbout: a loss that is noted after the instance is back
// is put right by its answer to a query.
func TestFalseLossIsAskedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *Directory
		d = New(Config{Query: func(c string) error {
			time.AfterFunc(time.Millisecond, func() { d.Presence(c, "a1", presence(subjects.PresenceUp)) })
			return nil
		}})
		for range 3 {
			d.Presence("prod", "a1", presence(subjects.PresenceUp))
			d.Absent("prod", "a1")
			if _, err := pickWithin(t, d, "prod", time.Millisecond); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
	})
}
