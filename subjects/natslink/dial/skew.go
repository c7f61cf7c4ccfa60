package dial

import (
	"fmt"
	"time"
)

// SkewBound is the difference of two clocks from which on it explains that a
// certificate or credentials are out of their time. It is more than dates in whole
// seconds and the time of an attempt can account for.
const SkewBound = 30 * time.Second

// ClockOffset returns how far the clock of the other end, or of a proxy on the way, is
// ahead of this machine's, by the header Date of an HTTP response. It is exact to some
// seconds. ok is false if there was none.
func (d *Dialer) ClockOffset() (offset time.Duration, ok bool) {
	if at := d.offset.Load(); at != nil {
		return *at, true
	}
	return 0, false
}

// noteDate notes the clock of another end.
func (d *Dialer) noteDate(date time.Time) {
	offset := time.Until(date)
	d.offset.Store(&offset)
}

// ShownSkew says how two clocks differ: by [Dialer.ClockOffset], in minutes, so that
// the same difference is always shown in the same words.
func ShownSkew(offset time.Duration) string {
	direction := "behind"
	if offset < 0 {
		direction = "ahead of"
	}
	return fmt.Sprintf("this machine's clock is about %s %s that of the other end", max(offset.Abs().Round(time.Minute), time.Minute), direction)
}
