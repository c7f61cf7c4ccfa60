package daemon

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestCheckDuration(t *testing.T) {
	for d, ok := range map[time.Duration]bool{
		time.Second: true, time.Minute: true, MaxDrain: true,
		0: false, -time.Second: false, time.Second - 1: false, MaxDrain + 1: false, math.MaxInt64: false,
	} {
		err := CheckDuration("wait", d, time.Second, MaxDrain)
		if (err == nil) != ok || err != nil && !strings.HasPrefix(err.Error(), "wait: ") {
			t.Errorf("%v: %v, good is %v", d, err, ok)
		}
	}
}
