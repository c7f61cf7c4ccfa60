package flow

import (
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestSendCredit(t *testing.T) {
	for _, tc := range []struct {
		name   string
		w      SendWindow
		frames int
		want   int
	}{
		{"fresh", SendWindow{Limit: 1000}, 0, 1000},
		{"at most a frame", SendWindow{Limit: 1 << 20}, 0, subjects.MaxPayload},
		{"used up", SendWindow{Limit: 1000, Next: 1000}, 0, 0},
		{"past its end", SendWindow{Limit: 1000, Next: 1001, Acked: 1001}, 0, 0},
		{"tiny credit", SendWindow{Limit: 1000, Next: 999, Acked: 999}, 0, 1},
		{"tiny credit, one frame in flight", SendWindow{Limit: 1000, Next: 999, Acked: 998}, 1, 0},
		{"as many frames as the window has kilobytes", SendWindow{Limit: 256 << 10, Next: 256}, 256, 0},
		{"one fewer", SendWindow{Limit: 256 << 10, Next: 256}, 255, subjects.MaxPayload},
		{"a larger window", SendWindow{Limit: 512 << 10, Next: 256}, 256, subjects.MaxPayload},
	} {
		if got := tc.w.Credit(tc.frames); got != tc.want {
			t.Errorf("%s: %d bytes, want %d", tc.name, got, tc.want)
		}
	}
}

func TestSendUpdate(t *testing.T) {
	start := SendWindow{Next: 100, Acked: 50, Limit: 200}
	for _, tc := range []struct {
		name       string
		ack, limit uint64
		news, ok   bool
		want       SendWindow
	}{
		{"nothing new", 50, 200, false, true, start},
		{"a position", 70, 200, true, true, SendWindow{100, 70, 200}},
		{"credit", 50, 300, true, true, SendWindow{100, 50, 300}},
		{"what was said before", 40, 150, false, true, start},
		{"what was never sent", 101, 300, false, false, start},
		{"more than any window", 50, 1 << 40, true, true, SendWindow{100, 50, 100 + subjects.MaxWindow}},
	} {
		w := start
		if news, ok := w.Update(tc.ack, tc.limit); news != tc.news || ok != tc.ok || w != tc.want {
			t.Errorf("%s: %v, %v, %+v; want %v, %v, %+v", tc.name, news, ok, w, tc.news, tc.ok, tc.want)
		}
	}
}

func TestRecvTurn(t *testing.T) {
	for _, tc := range []struct {
		name             string
		epochAt, now, tt int64
		window, want     int
	}{
		{"the first window", 0, 10, 10, 1000, 0},
		{"within two round trips", 5, 24, 10, 1000, 1000},
		{"the reader sets the pace", 5, 25, 10, 1000, 0},
		{"the round trip is unknown", 5, 6, 0, 1000, 0},
		{"up to the most", 5, 6, 10, 3000, 1000},
		{"at the most", 5, 6, 10, 4000, 0},
	} {
		w := RecvWindow{Read: 77, Window: tc.window, epochAt: tc.epochAt}
		if got := w.Turn(tc.now, tc.tt, 4000); got != tc.want || w.epoch != 77 || w.epochAt != tc.now {
			t.Errorf("%s: %d more, %+v; want %d", tc.name, got, w, tc.want)
		}
	}
}

// FuzzWindows runs a sender's window against a receiver's. Each byte is a step:
// what is sent, read, told to the other side or lost.
func FuzzWindows(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 4, 0, 0, 255, 254, 253})
	f.Fuzz(func(t *testing.T, steps []byte) {
		s := SendWindow{Limit: subjects.InitialWindow}
		r := RecvWindow{Limit: subjects.InitialWindow, Window: subjects.InitialWindow}
		now := int64(1)
		for _, step := range steps {
			before, amount := r.Limit, int(step>>3)<<10
			now += int64(step)
			switch step & 7 {
			case 0, 1, 2: // send
				s.Next += uint64(min(s.Credit(0), amount))
			case 3, 4: // read what has been sent, and give credit as a stream does
				r.Read += min(s.Next-r.Read, uint64(amount))
				if r.Due() {
					if r.Emptied() {
						r.Window += r.Turn(now, 100, subjects.MaxWindow)
					}
					r.Raise()
				}
			case 5, 6: // the sender hears of it
				if _, ok := s.Update(r.Read, r.Limit); !ok {
					t.Fatalf("%+v refuses what %+v says", s, r)
				}
			case 7:
				r.GiveBack(subjects.InitialWindow)
			}
			if r.Limit < before || s.Limit > r.Limit || s.Next > r.Limit || s.Acked > s.Next {
				t.Fatalf("sender %+v, receiver %+v; the limit was %d", s, r, before)
			}
			if r.Window > subjects.MaxWindow || r.Limit > r.Read+subjects.MaxWindow {
				t.Fatalf("%+v gives more than a window", r)
			}
		}
	})
}
