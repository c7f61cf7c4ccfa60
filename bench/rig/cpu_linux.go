package rig

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime is how much CPU time, user and system, the process has used. It reads the
// kernel's CPU clock of the process, in nanoseconds: /proc counts ticks of 10 ms, of
// which a round has only a few dozen.
func CPUTime(pid int) (time.Duration, error) {
	const schedClock = 2 // of the low bits; see clock_getcpuclockid(3)
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|schedClock, &t); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}
