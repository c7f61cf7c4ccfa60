package frame

import (
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestRoom(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 1 << 10, 4 << 10, 4<<10 + 1, subjects.MaxPayload} {
		f := New(n)
		if room := len(f.Payload()); room < n {
			t.Errorf("room for %d bytes, want at least %d", room, n)
		}
		f.SetLen(n)
		if len(f.Payload()) != n || len(f.Buf) != subjects.DataHeaderLen+n {
			t.Errorf("%d bytes of payload in a frame of %d, want %d", len(f.Payload()), len(f.Buf), n)
		}
		f.Free()
	}
}

// TestFreeWaitsForSends: a buffer that is being sent is not used for another frame.
func TestFreeWaitsForSends(t *testing.T) {
	f := New(10)
	f.SetLen(10)
	f.End, f.Bulk, f.SentAt = 1, 2, 3
	f.BeginSend()
	f.BeginSend()
	if f.Gone(3) {
		t.Error("gone while it is being sent")
	}
	f.Free()
	f.EndSend()
	if !f.Freed() || f.End != 1 || f.Bulk != 2 || f.SentAt != 3 || len(f.Buf) != subjects.DataHeaderLen+10 {
		t.Errorf("freed: %v, %+v; want it whole until the last send has ended", f.Freed(), f)
	}
	f.EndSend()
	if f.End != 0 || f.Bulk != 0 || f.SentAt != 0 || f.Freed() || f.sends != 0 {
		t.Errorf("back in its pool with %+v", f)
	}
}

func TestGone(t *testing.T) {
	f := New(1)
	f.SentAt = 5
	if f.Gone(4) || !f.Gone(5) {
		t.Errorf("gone at 4: %v, at 5: %v; want from 5 on, when it was sent", f.Gone(4), f.Gone(5))
	}
	f.Free()
}
