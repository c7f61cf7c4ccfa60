package dial

import (
	"fmt"
	"time"
)

// SkewBound is the difference of two clocks from which on it explains that a
// certificate or credentials are out of their time. It is more than dates in whole
// seconds and the time of an attempt can account for.
const SkewBound = 30 * time.Second

// Clock is another machine's clock, measured by the header Date of an HTTP response. A
// nil Clock is one that nobody has measured.
type Clock struct {
	// Ahead is how far it is ahead of this machine's, exact to some seconds.
	Ahead time.Duration
	// Of says whose it is, such as "the API server".
	Of string
}

// Measured returns a [Dialer]'s KnownClock that asks measure for the clock of another
// machine.
func Measured(of string, measure func() (ahead time.Duration, known bool)) func() *Clock {
	return func() *Clock {
		if ahead, known := measure(); known {
			return &Clock{Ahead: ahead, Of: of}
		}
		return nil
	}
}

// Off reports whether the two clocks are so far apart that it matters.
func (c *Clock) Off() bool { return c != nil && c.Ahead.Abs() >= SkewBound }

// Now is the time by that clock.
func (c *Clock) Now() time.Time {
	if c == nil {
		return time.Now()
	}
	return time.Now().Add(c.Ahead)
}

// String says how the two clocks differ: in minutes, so that the same difference is
// always shown in the same words.
func (c *Clock) String() string {
	direction := "behind"
	if c.Ahead < 0 {
		direction = "ahead of"
	}
	return fmt.Sprintf("this machine's clock is about %s %s that of %s", max(c.Ahead.Abs().Round(time.Minute), time.Minute), direction, c.Of)
}

// OtherClock returns the clock that the latest response of this attempt has shown:
// that of the server, or of a proxy on the way. Without one it is what
// [Dialer.KnownClock] returns.
func (d *Dialer) OtherClock() *Clock {
	if c := d.clock.Load(); c != nil || d.KnownClock == nil {
		return c
	}
	return d.KnownClock()
}

// noteClock notes the clock of another end.
func (d *Dialer) noteClock(of string, date time.Time) {
	d.clock.Store(&Clock{Ahead: time.Until(date), Of: of})
}
