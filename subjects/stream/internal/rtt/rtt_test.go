package rtt

import (
	"testing"
	"time"
)

func TestRTT(t *testing.T) {
	var r Shortest
	minute := int64(time.Minute)
	r.Sample(100, 1)
	r.Sample(300, 2)
	if r.Min() != 100 {
		t.Errorf("shortest is %d", r.Min())
	}
	r.Sample(300, 6*minute) // a new period; the last one still counts
	if r.Min() != 100 {
		t.Errorf("shortest of two periods is %d", r.Min())
	}
	r.Sample(300, 12*minute) // the path is longer since 10 minutes
	if r.Min() != 300 {
		t.Errorf("shortest after the path has changed is %d", r.Min())
	}
	r.Reset()
	if r.Min() != 0 {
		t.Error("reset forgets nothing")
	}
	r.Sample(-5, 1) // a clock that stands still
	if r.Min() != 1 {
		t.Errorf("a round trip of no time is %d", r.Min())
	}
}
