package stream

import "github.com/fairlead-io/fairlead/subjects"

// sendWindow is the credit of a sending direction: arithmetic without locks.
type sendWindow struct {
	next  uint64 // offset of the next byte, and after the end once it was sent
	acked uint64 // the peer has every offset below it
	limit uint64 // the peer takes offsets below it
}

// credit returns how many bytes may be sent in one frame now: what the limit
// leaves, while each of the frames in flight can be counted as frameCredit at
// least.
func (w *sendWindow) credit(frames int) int {
	if w.next >= w.limit || uint64(frames)*frameCredit >= max(w.limit-w.acked, frameCredit) {
		return 0
	}
	return int(min(w.limit-w.next, subjects.MaxPayload))
}

// update takes a position and a limit from the peer. It reports whether either
// is news, and false for a position that was never sent. A limit never falls,
// and lies at most MaxWindow after what was sent: a window ends at most that
// far after what has been read.
func (w *sendWindow) update(ack, limit uint64) (news, ok bool) {
	if ack > w.next {
		return false, false
	}
	limit = min(limit, w.next+subjects.MaxWindow)
	news = ack > w.acked || limit > w.limit
	w.acked, w.limit = max(w.acked, ack), max(w.limit, limit)
	return news, true
}

// recvWindow is the credit that a receiving direction gives: arithmetic without
// locks. Times are in nanoseconds of the endpoint.
type recvWindow struct {
	read    uint64 // offsets handed to the reader
	limit   uint64 // the credit given: the peer may send offsets below it
	window  int    // credit beyond read
	epoch   uint64 // read at the start of the present window
	epochAt int64  // and when that was
}

// due reports whether so much has been read that the peer should hear of it: a
// quarter of the window since the limit was last raised.
func (w *recvWindow) due() bool {
	return w.read+uint64(w.window)-w.limit >= uint64(w.window)/4
}

// emptied reports whether the reader has read a whole window since the epoch
// began.
func (w *recvWindow) emptied() bool { return w.read-w.epoch >= uint64(w.window) }

// turn begins the next epoch. It returns by how many bytes the window should
// grow, up to most: it doubles where the reader has emptied it within two round
// trips, since the path's delay, not the reader, sets the pace then.
func (w *recvWindow) turn(now, rtt int64, most int) (more int) {
	if rtt > 0 && w.epochAt > 0 && now-w.epochAt < 2*rtt && w.window < most {
		more = min(w.window, most-w.window)
	}
	w.epoch, w.epochAt = w.read, now
	return more
}

// raise gives the credit of the whole window. It is never taken back.
func (w *recvWindow) raise() { w.limit = max(w.limit, w.read+uint64(w.window)) }

// giveBack shrinks the window to keep bytes and returns by how many.
func (w *recvWindow) giveBack(keep int) (over int) {
	over = max(w.window-keep, 0)
	w.window -= over
	return over
}
