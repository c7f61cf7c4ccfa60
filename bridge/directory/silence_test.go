package directory

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// An inventory looks so often, and asks after so much silence.
const (
	lookEvery = 500 * time.Millisecond
	askAfter  = 2400 * time.Millisecond
)

// asked is an agent that announces itself every heartbeat and answers after a round trip,
// and a bridge that asks it.
type asked struct {
	d       *Directory
	hangs   time.Duration // after the start; 0: never
	rtt     time.Duration
	answers bool
	asks    int
	start   time.Time
}

func newAsked() *asked {
	return &asked{d: New(Config{}), answers: true, start: time.Now()}
}

// at calls f after a while, unless the agent hangs by then.
func (a *asked) at(after time.Duration, f func()) {
	time.AfterFunc(after, func() {
		if a.hangs == 0 || time.Since(a.start) < a.hangs {
			f()
		}
	})
}

// announces has the agent announce itself for so long.
func (a *asked) announces(long time.Duration) {
	for after := time.Duration(0); after <= long; after += subjects.HeartbeatInterval {
		a.at(after, func() { a.d.Presence("prod", "a1", presence(subjects.PresenceUp)) })
	}
}

// look looks once, as an inventory does.
func (a *asked) look() State {
	ask, mute := a.d.Silent(askAfter)
	for _, s := range ask {
		a.d.Asked(s)
		a.asks++
		if a.answers {
			a.at(a.rtt, func() { a.d.Answered(s.Cluster, s.Instance) })
		}
	}
	for _, s := range mute {
		a.d.Mute(s)
	}
	return a.d.Cluster("prod").State
}

// TestHungAgentIsNoticed: one that hangs at any moment is no longer connected within 5 s,
// and offline within 10 s of its last word, but not before the grace is over.
func TestHungAgentIsNoticed(t *testing.T) {
	for _, rtt := range []time.Duration{0, 500 * time.Millisecond} {
		for hangs := 10*time.Second + time.Millisecond; hangs < 15*time.Second; hangs += 130 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				a := newAsked()
				a.hangs, a.rtt = hangs, rtt
				a.announces(time.Minute)
				var noticed, offline time.Duration
				for noticed == 0 || offline == 0 {
					time.Sleep(lookEvery)
					state, now := a.look(), time.Since(a.start)
					switch {
					case state != Connected && now <= hangs:
						t.Fatalf("%s after %v, before it hangs", state, now)
					case state == Reconnecting && noticed == 0:
						noticed = now
					case state == Offline:
						offline = now
						if noticed == 0 {
							t.Fatalf("offline at once after %v", now)
						}
					case now > hangs+20*time.Second:
						t.Fatalf("%s 20 s later", state)
					}
				}
				if took := noticed - hangs; took > 5*time.Second {
					t.Errorf("hangs after %v, RTT %v: noticed %v later, want at most 5 s", hangs, rtt, took)
				}
				// It was last heard 10 s after the start.
				if offline < 18*time.Second || offline > 20*time.Second {
					t.Errorf("hangs after %v, RTT %v: offline after %v, want 9 s after it was last heard", hangs, rtt, offline)
				}
			})
		}
	}
}

// TestSlowAgentStaysConnected: neither a slow path nor an agent that never answers looks
// like one that hangs, and asking costs 1.2 questions a heartbeat, whenever looks are.
func TestSlowAgentStaysConnected(t *testing.T) {
	for _, c := range []struct {
		rtt     time.Duration
		answers bool
	}{{0, true}, {500 * time.Millisecond, true}, {1500 * time.Millisecond, true}, {0, false}} {
		asks := 0
		for phase := 10 * time.Millisecond; phase < lookEvery; phase += 50 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				a := newAsked()
				a.rtt, a.answers = c.rtt, c.answers
				a.announces(2 * time.Minute)
				time.Sleep(phase)
				for range 240 {
					if s := a.look(); s != Connected && a.asks > 0 {
						t.Fatalf("RTT %v, answers %v: %s after %v", c.rtt, c.answers, s, time.Since(a.start))
					}
					time.Sleep(lookEvery)
				}
				asks += a.asks
			})
		}
		if each := float64(asks) / 10 / 24; each > 1.25 {
			t.Errorf("RTT %v, answers %v: %.2f questions a heartbeat", c.rtt, c.answers, each)
		}
	}
}

// TestPauseIsForgiven: an agent that stands still for some seconds is connected again with
// its first sign of life, and a request that waits for it goes on. One that answers too late
// is not taken for hung the next time.
func TestPauseIsForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked()
		a.d.Presence("prod", "a1", presence(subjects.PresenceUp))
		until := func(want State, within time.Duration) {
			t.Helper()
			for begun := time.Now(); a.look() != want; time.Sleep(lookEvery) {
				if time.Since(begun) > within {
					t.Fatalf("not %s within %v", want, within)
				}
			}
		}
		time.Sleep(askAfter)
		until(Connected, 0)
		synctest.Wait()
		a.d.Presence("prod", "a1", presence(subjects.PresenceUp))
		a.answers = false
		until(Reconnecting, 5*time.Second)
		time.AfterFunc(time.Second, func() { a.d.Answered("prod", "a1") })
		in, err := pickWithin(t, a.d, "prod", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		in.Release()
		a.d.Presence("prod", "a1", presence(subjects.PresenceUp))
		for range 18 { // its answers were late: only its heartbeats count
			time.Sleep(lookEvery)
			if s := a.look(); s != Connected {
				t.Fatalf("%s though it is always late", s)
			}
		}
	})
}

// TestNoAnswerMeansNothing: where the bridge did not look, its link was down, or the
// question was not sent; nor does an answer count of one that the broker says is gone.
func TestNoAnswerMeansNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked()
		ready := func() Silence { // an instance that has answered, and is to be asked again
			a.answers = true
			a.d.Presence("prod", "a1", presence(subjects.PresenceUp))
			time.Sleep(askAfter)
			a.look()
			synctest.Wait()
			time.Sleep(time.Millisecond)
			a.d.Presence("prod", "a1", presence(subjects.PresenceUp))
			a.answers = false
			time.Sleep(askAfter)
			ask, _ := a.d.Silent(askAfter)
			if len(ask) != 1 {
				t.Fatalf("%v is to be asked", ask)
			}
			return ask[0]
		}
		quiet := func(what string, looks int) {
			t.Helper()
			for range looks {
				if _, mute := a.d.Silent(time.Hour); len(mute) > 0 {
					t.Errorf("%s: %v is mute", what, mute)
				}
				time.Sleep(lookEvery)
			}
		}
		a.d.Asked(ready())
		time.Sleep(4 * time.Second)
		quiet("the bridge stood still", 1)
		a.d.Asked(ready())
		a.d.Link(false)
		a.d.Link(true)
		time.Sleep(settleTime)
		quiet("the link was lost", 6)
		ready()
		quiet("it is not asked yet", 6)
		a.d.Asked(ready())
		a.d.Unasked(Silence{"prod", "a1"})
		if ask, _ := a.d.Silent(askAfter); len(ask) != 1 {
			t.Errorf("%v is to be asked after it could not be, want the one", ask)
		}
		quiet("it was not asked", 6)
		a.d.Asked(ready())
		a.d.Absent("prod", "a1")
		a.d.Answered("prod", "a1")
		if s := a.d.Cluster("prod").State; s != Reconnecting {
			t.Errorf("%s though the broker says that it is gone", s)
		}
	})
}
