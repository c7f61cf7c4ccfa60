package directory

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

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

// TestReplacedInstancesAreNotTriedFirst: agents that were replaced while the link
// was down count as alive until they have been silent for long, but not before
// those that announce themselves.
func TestReplacedInstancesAreNotTriedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		for i := range 8 {
			d.Presence("prod", fmt.Sprintf("old%d", i), presence(subjects.PresenceUp))
		}
		d.Link(false)
		time.Sleep(time.Second)
		d.Link(true)
		if _, err := pickNow(t, d, "prod"); err != nil {
			t.Fatalf("an instance that may be alive is better than none: %v", err)
		}
		d.Presence("prod", "new1", presence(subjects.PresenceUp))
		d.Presence("prod", "new2", presence(subjects.PresenceUp))
		got := map[string]int{}
		for range 20 {
			in, err := pickNow(t, d, "prod")
			if err != nil {
				t.Fatal(err)
			}
			got[in.Name()]++
		}
		if got["new1"] != 10 || got["new2"] != 10 {
			t.Errorf("picked %v, want the two that were heard since, by turns", got)
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

// TestInstanceThatComesBack: an instance that was gone for longer than the grace
// and announces itself again while its streams still run is the same instance: it
// has those streams, and a request that it has refused does not try it again.
func TestInstanceThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		var a Attempt
		for range 3 {
			in, err := d.Pick(t.Context(), "prod", &a)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Release()
		}
		in, err := d.Pick(t.Context(), "prod", &a)
		if err != nil {
			t.Fatal(err)
		}
		a.Exclude(in)
		in.Release()
		time.Sleep(2 * sweepInterval) // silent for long
		d.Presence("prod", "a2", presence(subjects.PresenceUp))
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		if s := d.Cluster("prod"); s.Instances[0].Streams != 3 {
			t.Errorf("the instance is back with %d streams, want its 3", s.Instances[0].Streams)
		}
		if in, err := pickNow(t, d, "prod"); err != nil || in.Name() != "a2" {
			t.Errorf("picked %v, %v, want a2, which has no streams", in, err)
		}
		d.Presence("prod", "a2", presence(subjects.PresenceBye))
		_, err = d.Pick(t.Context(), "prod", &a)
		wantState(t, err, Connected) // and excluded

		// The latter holds even for one that was forgotten in between.
		var b Attempt
		d.Presence("new", "a1", presence(subjects.PresenceUp))
		if in, err = d.Pick(t.Context(), "new", &b); err != nil {
			t.Fatal(err)
		}
		b.Exclude(in)
		in.Release()
		d.Presence("new", "a1", presence(subjects.PresenceBye))
		time.Sleep(2 * sweepInterval)
		d.Presence("new", "a1", presence(subjects.PresenceUp))
		_, err = d.Pick(t.Context(), "new", &b)
		wantState(t, err, Connected)
	})
}
