package limit

import (
	"math"
	"time"
)

// rounding is far above the errors of adding fractions, and far below one token.
const rounding = 1e-6

// bucket fills with rate tokens a second, up to burst. Unlike that of
// golang.org/x/time/rate it gives back exactly what was taken and allocates nothing.
// It is not safe for concurrent use; the zero value is always empty.
type bucket struct {
	rate, burst float64
	tokens      float64
	at          time.Time // when tokens was right; zero: it has not begun
}

// set changes rate and burst. A new bucket is full.
func (b *bucket) set(rate, burst float64, now time.Time) {
	if b.at.IsZero() {
		b.tokens, b.at = burst, now
	} else {
		b.fill(now)
	}
	b.rate, b.burst = rate, burst
	b.tokens = min(b.tokens, burst)
}

func (b *bucket) fill(now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.tokens, b.at = min(b.burst, b.tokens+b.rate*d.Seconds()), now
	}
}

// take takes n tokens, or returns after how long there will be as many.
func (b *bucket) take(n float64, now time.Time) (wait time.Duration) {
	b.fill(now)
	if b.tokens >= n-rounding {
		b.tokens -= n
		return 0
	}
	return time.Duration(math.Ceil((n - b.tokens) / b.rate * float64(time.Second)))
}

// give gives back tokens that were not used.
func (b *bucket) give(n float64) { b.tokens = min(b.burst, b.tokens+n) }
