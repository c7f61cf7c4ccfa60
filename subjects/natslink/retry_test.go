package natslink

import (
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestRetryDelay: full jitter, from the first attempt on. Clients that lost a broker
// together come back evenly over the whole time, and each within 10 s.
func TestRetryDelay(t *testing.T) {
	for attempts, bound := range map[int]time.Duration{
		-1: 100 * time.Millisecond, 0: 100 * time.Millisecond, 1: 100 * time.Millisecond,
		2: 200 * time.Millisecond, 5: 1600 * time.Millisecond, 7: 6400 * time.Millisecond,
		8: 10 * time.Second, 9: 10 * time.Second, 1000: 10 * time.Second,
	} {
		const draws = 10000
		var tenths [10]int
		for range draws {
			d := RetryDelay(attempts) - time.Millisecond
			if d < 0 || d >= bound {
				t.Fatalf("after %d attempts: %v, want less than %v", attempts, d, bound)
			}
			tenths[10*d/bound]++
		}
		for i, n := range tenths {
			if n < draws/20 || n > draws/5 { // 1000 each, with a deviation of 30
				t.Errorf("after %d attempts: %d of %d delays are in tenth %d of %v", attempts, n, draws, i+1, bound)
			}
		}
	}
}

// TestSilentPathIsNoticedInTime: a process whose path to the broker has gone silent
// connects again before its peers presume it dead, even if the first attempt goes
// unanswered too.
func TestSilentPathIsNoticedInTime(t *testing.T) {
	const handshake = 2 * time.Second // of the second attempt, over a bad path
	if again := silenceLimit + dialTimeout + 2*firstRetry + handshake; again > subjects.PeerTimeout {
		t.Errorf("connected again after up to %v, presumed dead after %v", again, subjects.PeerTimeout)
	}
}
