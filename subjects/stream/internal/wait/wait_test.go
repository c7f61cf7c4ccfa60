package wait

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// after returns how long d takes to come, or -1 if it does not within a day.
func after(d *Deadline) time.Duration {
	start := time.Now()
	select {
	case <-d.Done():
		return time.Since(start)
	case <-time.After(24 * time.Hour):
		return -1
	}
}

func TestDeadline(t *testing.T) {
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	for name, tc := range map[string]struct {
		steps func(d *Deadline)
		want  time.Duration
	}{
		"never set":                 {func(*Deadline) {}, -1},
		"set":                       {func(d *Deadline) { d.Set(in(time.Second)) }, time.Second},
		"in the past":               {func(d *Deadline) { d.Set(in(-time.Second)) }, 0},
		"moved later":               {func(d *Deadline) { d.Set(in(time.Second)); d.Set(in(time.Minute)) }, time.Minute},
		"moved once it has come":    {func(d *Deadline) { d.Set(in(0)); d.Set(in(time.Minute)) }, time.Minute},
		"removed":                   {func(d *Deadline) { d.Set(in(time.Second)); d.Set(time.Time{}) }, -1},
		"removed, never set":        {func(d *Deadline) { d.Set(time.Time{}) }, -1},
		"stopped":                   {func(d *Deadline) { d.Set(in(time.Second)); d.Stop() }, -1},
		"stopped, then set":         {func(d *Deadline) { d.Stop(); d.Set(in(time.Second)) }, -1},
		"stopped, then in the past": {func(d *Deadline) { d.Stop(); d.Set(in(-time.Second)) }, 0},
		"at the moment it is due": {func(d *Deadline) {
			d.Set(in(time.Second))
			time.Sleep(time.Second) // the timer's function may or may not have run
			d.Set(in(time.Minute))
		}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d Deadline
				tc.steps(&d)
				if d.Passed() != (tc.want == 0) {
					t.Errorf("passed: %v", d.Passed())
				}
				if got := after(&d); got != tc.want {
					t.Errorf("came after %v, want %v", got, tc.want)
				}
			})
		})
	}
}

// TestWakeupKeepsItsToken: a change between Arm and the wait is not missed, and
// many changes are one token.
func TestWakeupKeepsItsToken(t *testing.T) {
	var w Wakeup
	w.Wake() // nobody has ever waited
	select {
	case <-w.Arm():
		t.Fatal("a token of a change before anybody waited")
	default:
	}
	c := w.Arm()
	w.Wake()
	w.Wake()
	<-c
	select {
	case <-c:
		t.Error("two tokens")
	default:
	}
}
