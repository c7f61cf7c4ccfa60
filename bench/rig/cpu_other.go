//go:build !linux

package rig

import (
	"errors"
	"time"
)

// CPUTime cannot tell the CPU time of another process here.
func CPUTime(int) (time.Duration, error) { return 0, errors.ErrUnsupported }
