package stream

// maxResend is how many frames of a stream are sent again in one turn: 256 KiB
// between acknowledgements to others.
const maxResend = 8

// resendFrom has everything from position ack on sent again. The receiver
// reports a gap again and again until its bytes arrive, which takes a round
// trip at least, and longer where the path is busy.
func (s *Stream) resendFrom(ack uint64) {
	s.mu.Lock()
	h := &s.send
	if ack < h.acked { // said before what was acknowledged since
		s.mu.Unlock()
		return
	}
	now := s.peer.ep.now()
	if ack != h.resentFrom {
		h.resends = 0
	}
	pause := max(int64(resendPause), 2*s.peer.rtt.min.Load()) << min(h.resends, 5)
	soon := h.resends > 0 && now-h.resentAt < min(pause, int64(probeAfter))
	if soon || h.resending || len(h.kept) == 0 || s.cause != nil || s.removed {
		s.mu.Unlock()
		return
	}
	h.resending, h.cursor = true, ack
	h.resentFrom, h.resentAt = ack, now
	h.resends++
	s.mu.Unlock()
	s.peer.queueResend(s)
}

// resend sends kept frames again, beginning after those sent in the turn
// before. It reports whether more remain. The receiver has dropped all that
// followed the gap, so all is sent again, up to what the writer places now.
func (s *Stream) resend() (more bool) {
	batch := make([]*frame, 0, maxResend)
	s.mu.Lock()
	h := &s.send
	h.cursor = max(h.cursor, h.acked)
	for _, f := range h.kept {
		if len(batch) == maxResend {
			break
		}
		if f.end > h.cursor {
			f.sends++
			batch = append(batch, f)
		}
	}
	if len(batch) > 0 {
		h.cursor = batch[len(batch)-1].end
	}
	s.mu.Unlock()
	for _, f := range batch {
		s.peer.send(f.buf)
	}
	s.mu.Lock()
	for _, f := range batch {
		f.sent()
	}
	more = len(h.kept) > 0 && h.kept[len(h.kept)-1].end > h.cursor
	h.resending = more
	s.mu.Unlock()
	s.peer.ep.stats.resent.Add(uint64(len(batch)))
	return more
}
