package directory

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// closedLongAgo returns a directory whose connection was closed for idleness
// ten minutes ago, while prod was connected.
func closedLongAgo(cfg Config) *Directory {
	d := New(cfg)
	d.Presence("prod", "a1", presence(subjects.PresenceUp))
	d.LinkClosed()
	time.Sleep(10 * time.Minute)
	return d
}

// TestRequestsWaitForALinkThatIsOpened: however long ago the last link was
// closed, and however short a time requests wait for one that was lost.
func TestRequestsWaitForALinkThatIsOpened(t *testing.T) {
	for _, grace := range []time.Duration{0, -1} {
		synctest.Test(t, func(t *testing.T) {
			var d *Directory
			d = closedLongAgo(Config{ReconnectGrace: grace, Query: func(c string) error {
				time.AfterFunc(time.Millisecond, func() { d.Presence(c, "a2", presence(subjects.PresenceUp)) })
				return nil
			}})
			d.Opening()
			time.AfterFunc(3*time.Second, func() { d.Link(true) })
			in, err := pickWithin(t, d, "prod", 3*time.Second+time.Millisecond)
			if err != nil || in.Name() != "a2" {
				t.Fatalf("picked %v, %v, want the instance that answers", in, err)
			}
		})
	}
}

// TestOpeningIsBounded: the wait ends openTimeout after the opening began, and at
// once where the broker refuses the bridge.
func TestOpeningIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := closedLongAgo(Config{})
		d.Opening()
		began := time.Now()
		_, err := pickWithin(t, d, "prod", defaultOpenTimeout)
		if ue := wantState(t, err, Disconnected); !ue.Since.Equal(began) {
			t.Errorf("disconnected since %v, want %v", ue.Since, began)
		}
		_, err = pickNow(t, d, "prod")
		wantState(t, err, Disconnected)
		d.Opening()
		time.AfterFunc(time.Second, d.Refused)
		_, err = pickWithin(t, d, "prod", time.Second)
		wantState(t, err, Disconnected)
	})
}

// TestExpectedCluster: a cluster that was connected when the last link was
// closed gets more time to answer than one that was not, unless the broker says
// that it is gone.
func TestExpectedCluster(t *testing.T) {
	for name, c := range map[string]struct {
		absent bool
		bye    bool
		want   time.Duration
	}{
		"no answer":           {want: defaultGrace},
		"no subscribers":      {absent: true, want: defaultFirstContact},
		"offline when closed": {bye: true, want: defaultFirstContact},
		"and no subscribers":  {bye: true, absent: true, want: defaultFirstContact},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d *Directory
				d = New(Config{Query: func(cluster string) error {
					if c.absent {
						time.AfterFunc(time.Millisecond, func() { d.Absent(cluster, "") })
					}
					return nil
				}})
				d.Presence("prod", "a1", presence(subjects.PresenceUp))
				if c.bye {
					d.Presence("prod", "a1", presence(subjects.PresenceBye))
				}
				d.LinkClosed()
				time.Sleep(time.Hour)
				d.Opening()
				d.Link(true)
				_, err := pickWithin(t, d, "prod", c.want)
				wantState(t, err, Offline)
				_, err = pickNow(t, d, "prod")
				wantState(t, err, Offline)
			})
		})
	}
}

// TestNothingStaleAfterAClosedLink: only states that were heard are listed.
func TestNothingStaleAfterAClosedLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := closedLongAgo(Config{})
		if s := d.Cluster("prod"); s.State != Disconnected || s.LastSeen.IsZero() || len(s.Instances) != 0 {
			t.Errorf("while there is no link: %+v", s)
		}
		d.Opening()
		d.Link(true)
		if err := d.Listen(t.Context(), subjects.HeartbeatInterval); err != nil {
			t.Fatal(err)
		}
		if s := d.Cluster("prod"); s.State != Offline || s.LastSeen.IsZero() {
			t.Errorf("after every agent has spoken: %+v", s)
		}
		if d.instances != 0 {
			t.Errorf("%d instances counted, want none", d.instances)
		}
	})
}

func TestListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := closedLongAgo(Config{})
		listen := func(want time.Duration) error {
			t.Helper()
			began := time.Now()
			err := d.Listen(t.Context(), 5*time.Second)
			if took := time.Since(began); took != want {
				t.Errorf("Listen took %v, want %v", took, want)
			}
			return err
		}
		wantState(t, listen(0), Disconnected)
		d.Opening()
		wantState(t, listen(defaultOpenTimeout), Disconnected)
		d.Opening()
		time.AfterFunc(2*time.Second, func() { d.Link(true) })
		if err := listen(7 * time.Second); err != nil {
			t.Error(err)
		}
		if err := listen(0); err != nil {
			t.Error(err)
		}
		d.Link(false)
		time.AfterFunc(time.Second, func() { d.Link(true) })
		time.AfterFunc(2*time.Second, func() { d.Link(false); d.Link(true) })
		if err := listen(7 * time.Second); err != nil {
			t.Error(err)
		}
		d.Link(false)
		d.Link(true)
		for i := range 20 { // a link that breaks again and again
			time.AfterFunc(time.Duration(i+1)*time.Second, func() { d.Link(false); d.Link(true) })
		}
		if err := listen(defaultOpenTimeout + 5*time.Second); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		d.Link(false)
		d.Refused()
		wantState(t, listen(0), Disconnected)
	})
}

// TestClose: whatever waits ends, with the cause, and nothing is learned or
// known any more.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("tenant removed")
		d := New(Config{})
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		results := make(chan error, 3)
		go func() {
			_, err := d.Pick(t.Context(), "other", new(Attempt)) // waits for its first answer
			results <- err
		}()
		go func() { results <- d.Listen(t.Context(), time.Hour) }()
		synctest.Wait()
		began := time.Now()
		d.Close(gone)
		d.Close(errors.New("again"))
		for range 2 {
			if err := <-results; err != gone {
				t.Errorf("got %v, want the cause", err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("that took %v", took)
		}
		d.Presence("prod", "a1", presence(subjects.PresenceUp))
		if _, err := d.Pick(t.Context(), "prod", new(Attempt)); err != gone {
			t.Errorf("pick after Close: %v, want the cause", err)
		}
		if len(d.clusters) != 0 || d.instances != 0 || d.unheard != 0 {
			t.Errorf("kept %d clusters, %d instances, %d unheard", len(d.clusters), d.instances, d.unheard)
		}
	})
}
