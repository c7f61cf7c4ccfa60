package cause

import (
	"testing"
	"time"
)

// TestRegular: three cuts in a row that differ by little are regular.
func TestRegular(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		cuts []time.Duration
		want []time.Duration // by cut, 0: not regular
	}{
		"alike":               {[]time.Duration{60_010 * ms, 60_900 * ms, 60_020 * ms}, []time.Duration{0, 0, time.Minute}},
		"two are not enough":  {[]time.Duration{time.Minute, time.Minute}, []time.Duration{0, 0}},
		"they differ":         {[]time.Duration{60_000 * ms, 70_000 * ms, 60_000 * ms, 50_000 * ms}, []time.Duration{0, 0, 0, 0}},
		"after another":       {[]time.Duration{time.Hour, 5_000 * ms, 5_100 * ms, 5_200 * ms}, []time.Duration{0, 0, 0, 5 * time.Second}},
		"short ones":          {[]time.Duration{ms, ms, ms, ms}, []time.Duration{0, 0, 0, 0}},
		"a short one between": {[]time.Duration{time.Minute, time.Minute, ms, time.Minute}, []time.Duration{0, 0, 0, 0}},
		"it goes on":          {[]time.Duration{time.Minute, time.Minute, time.Minute, time.Minute, time.Hour, time.Minute}, []time.Duration{0, 0, time.Minute, time.Minute, 0, 0}},
	} {
		var r Regular
		for i, d := range c.cuts {
			if got, ok := r.Add(d); got != c.want[i] || ok != (c.want[i] != 0) {
				t.Errorf("%s: cut %d: %v, %v, want %v", name, i, got, ok, c.want[i])
			}
		}
	}
}
