package directory

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func presence(state subjects.PresenceState) *subjects.Presence {
	return &subjects.Presence{Protocol: [2]int{subjects.MinVersion, subjects.Version}, State: state}
}

func pickNow(t *testing.T, d *Directory, name string) (*Instance, error) {
	t.Helper()
	return pickWithin(t, d, name, 0)
}

// pickWithin picks and demands that it took exactly want.
func pickWithin(t *testing.T, d *Directory, name string, want time.Duration) (*Instance, error) {
	t.Helper()
	start := time.Now()
	var a Attempt
	in, err := d.Pick(t.Context(), name, &a)
	if took := time.Since(start); took != want {
		t.Errorf("Pick(%s) took %v, want %v", name, took, want)
	}
	return in, err
}

func wantState(t *testing.T, err error, want State) *UnavailableError {
	t.Helper()
	ue, ok := errors.AsType[*UnavailableError](err)
	if !ok || ue.State != want {
		t.Fatalf("got error %v, want state %s", err, want)
	}
	return ue
}

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

		time.Sleep(subjects.PeerTimeout - time.Second)
		if _, err := pickNow(t, d, "prod"); err != nil {
			t.Fatalf("silent for less than the timeout: %v", err)
		}
		heard := time.Now().Add(-(subjects.PeerTimeout - time.Second))
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

func TestFirstContactEndsWithPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *Directory
		d = New(Config{Query: func(c string) error {
			time.AfterFunc(3*time.Millisecond, func() { d.Presence(c, "a1", presence(subjects.PresenceUp)) })
			return nil
		}})
		if _, err := pickWithin(t, d, "prod", 3*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	})
}

func TestVanishedInstanceIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		in, err := pickNow(t, d, "prod")
		if err != nil {
			t.Fatal(err)
		}
		in.Lost()
		in.Release()
		time.AfterFunc(2*time.Second, func() { d.Presence("prod", "a1", presence(subjects.PresenceUp)) })
		if _, err := pickWithin(t, d, "prod", 2*time.Second); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAllWaitingOfARequestIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		start := time.Now()
		var a Attempt
		for time.Since(start) < time.Minute {
			time.AfterFunc(time.Second, func() { d.Presence("prod", "a1", presence(subjects.PresenceUp)) })
			in, err := d.Pick(t.Context(), "prod", &a)
			if err != nil {
				wantState(t, err, Reconnecting)
				break
			}
			in.Lost()
			in.Release()
		}
		if took := time.Since(start); took != defaultGrace {
			t.Errorf("a flapping instance held a request for %v, want 5s", took)
		}
		synctest.Wait()
		time.Sleep(time.Second)
	})
}

func TestOwnLinkDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		d.Link(false)
		if got := d.Cluster("prod").State; got != Disconnected || d.Connected() != 0 {
			t.Errorf("while the own link is down: %s, %d connected", got, d.Connected())
		}
		time.Sleep(time.Second)
		_, err := pickWithin(t, d, "prod", defaultGrace-time.Second)
		wantState(t, err, Disconnected)
		time.Sleep(time.Minute)
		_, err = pickNow(t, d, "prod")
		wantState(t, err, Disconnected)
		d.Link(true)
		if _, err = pickNow(t, d, "prod"); err != nil {
			t.Fatalf("silence while the own link was down counted: %v", err)
		}
		time.Sleep(subjects.PeerTimeout)
		if got := d.Cluster("prod").State; got != Offline {
			t.Errorf("after the link is up for the timeout: %s, want %s", got, Offline)
		}
	})
}

// TestGraceBeginsWhenTheInstanceWasDue: who is found to be gone long after it
// should have been heard is not waited for as if it had vanished just now.
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

// TestAbsentInstance: the broker's word that nobody listens for an instance
// sends new requests to the others, until it is heard again.
func TestAbsentInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Absent("prod", "a1") // a cluster not heard of
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

// TestOfflineStaysKnownOverTheOwnReconnect: what was known before the bridge's
// own link was renewed is not unlearned by it.
func TestOfflineStaysKnownOverTheOwnReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		d.Presence("prod", "a2", presence(subjects.PresenceUp))
		time.Sleep(time.Minute) // both crashed
		d.Link(false)
		d.Link(true)
		_, err := pickWithin(t, d, "prod", 250*time.Millisecond) // asked anew, once
		wantState(t, err, Offline)
		_, err = pickNow(t, d, "prod")
		wantState(t, err, Offline)

		// One that vanished just before may be coming back like the bridge.
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
			t.Errorf("Clusters = %+v, want prod alone", l)
		}
	})
}

func TestSpreadsByStreams(t *testing.T) {
	d := New(Config{})
	for i := range 3 {
		d.Presence("prod", fmt.Sprintf("a%d", i), presence(subjects.PresenceUp))
	}
	got := map[string]int{}
	for range 30 {
		in, err := d.Pick(t.Context(), "prod", new(Attempt))
		if err != nil {
			t.Fatal(err)
		}
		got[in.Name()]++
	}
	for name, n := range got {
		if n != 10 {
			t.Errorf("%s got %d of 30 streams, want 10", name, n)
		}
	}
	if s := d.Cluster("prod"); len(s.Instances) != 3 || s.Instances[0].Streams != 10 {
		t.Errorf("snapshot %+v", s)
	}
}

func TestExcludedInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		d.Presence("prod", "a2", presence(subjects.PresenceUp))
		var a Attempt
		seen := map[string]bool{}
		for range 2 {
			in, err := d.Pick(t.Context(), "prod", &a)
			if err != nil {
				t.Fatal(err)
			}
			seen[in.Name()] = true
			a.Exclude(in)
		}
		if len(seen) != 2 {
			t.Errorf("picked %v, want both", seen)
		}
		start := time.Now()
		_, err := d.Pick(t.Context(), "prod", &a)
		wantState(t, err, Connected)
		if time.Since(start) != 0 {
			t.Error("waited although every instance had refused")
		}
	})
}

func TestCanceledWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("caller gone")
		time.AfterFunc(time.Millisecond, func() { cancel(gone) })
		if _, err := d.Pick(ctx, "prod", new(Attempt)); !errors.Is(err, gone) {
			t.Errorf("got %v, want the cause of the context", err)
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

func BenchmarkPick(b *testing.B) {
	d := New(Config{})
	d.Presence("prod", "a1", presence(subjects.PresenceUp))
	b.ReportAllocs()
	for b.Loop() {
		var a Attempt
		in, err := d.Pick(b.Context(), "prod", &a)
		if err != nil {
			b.Fatal(err)
		}
		in.Release()
	}
}
