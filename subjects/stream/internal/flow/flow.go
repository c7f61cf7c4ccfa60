package flow

import "github.com/fairlead-io/fairlead/subjects"

// FrameCredit is how much credit in bytes a message takes up at least until it
// is acknowledged. Credit thereby also bounds the number of messages in flight,
// and the memory that keeps them. It is the smallest frame buffer.
const FrameCredit = 1 << 10

// SendWindow is the credit of a sending direction.
type SendWindow struct {
	Next  uint64 // offset of the next byte; after the end once that was sent
	Acked uint64 // the peer has every offset below it
	Limit uint64 // the peer takes offsets below it
}

// Credit returns how many bytes may be sent in one frame now: what the limit
// leaves, while each of the frames in flight can be counted as FrameCredit at
// least.
func (w *SendWindow) Credit(frames int) int {
	if w.Next >= w.Limit || uint64(frames)*FrameCredit >= max(w.Limit-w.Acked, FrameCredit) {
		return 0
	}
	return int(min(w.Limit-w.Next, subjects.MaxPayload))
}

// Update takes a position and a limit from the peer. It reports whether either
// is news, and ok is false for a position that was never sent. A limit never
// falls, and lies at most subjects.MaxWindow after what was sent: a window ends
// at most that far after what has been read.
func (w *SendWindow) Update(ack, limit uint64) (news, ok bool) {
	if ack > w.Next {
		return false, false
	}
	limit = min(limit, w.Next+subjects.MaxWindow)
	news = ack > w.Acked || limit > w.Limit
	w.Acked, w.Limit = max(w.Acked, ack), max(w.Limit, limit)
	return news, true
}

// RecvWindow is the credit that a receiving direction gives. Times are in
// nanoseconds since any fixed moment; 0 stands for "never".
type RecvWindow struct {
	Read    uint64 // offsets handed to the reader
	Limit   uint64 // the credit given: the peer may send offsets below it
	Window  int    // credit beyond Read, in bytes
	epoch   uint64 // Read at the start of the present epoch
	epochAt int64  // when the present epoch began
}

// Due reports whether so much has been read that the peer should be notified:
// a quarter of the window since the limit was last raised.
func (w *RecvWindow) Due() bool {
	return w.Read+uint64(w.Window)-w.Limit >= uint64(w.Window)/4
}

// Emptied reports whether the reader has read a whole window since the epoch
// began.
func (w *RecvWindow) Emptied() bool { return w.Read-w.epoch >= uint64(w.Window) }

// Turn begins the next epoch. It returns by how many bytes the window should
// grow, up to most: it doubles if the reader has emptied it within two round
// trips, since the delay of the path, not the reader, sets the pace then. A
// round trip of 0 is unknown.
func (w *RecvWindow) Turn(now, rtt int64, most int) (more int) {
	if rtt > 0 && w.epochAt > 0 && now-w.epochAt < 2*rtt && w.Window < most {
		more = min(w.Window, most-w.Window)
	}
	w.epoch, w.epochAt = w.Read, now
	return more
}

// Raise gives the credit of the whole window. Credit is never taken back.
func (w *RecvWindow) Raise() { w.Limit = max(w.Limit, w.Read+uint64(w.Window)) }

// GiveBack shrinks the window to keep bytes and returns by how many bytes it
// has shrunk.
func (w *RecvWindow) GiveBack(keep int) (over int) {
	over = max(w.Window-keep, 0)
	w.Window -= over
	return over
}
