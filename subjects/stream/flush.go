package stream

// Flush waits until all that was written has arrived at the peer, where a
// [Stream.Reset] by this side no longer takes it from the reader. It does not
// wait for the reader. It fails with the terminal cause, with ErrStopped if the
// peer wants no more, and with os.ErrDeadlineExceeded at the write deadline.
func (s *Stream) Flush() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	for {
		s.mu.Lock()
		h := &s.send
		switch {
		case s.cause != nil, h.stopped:
			err := s.writeErr()
			s.mu.Unlock()
			return err
		case h.acked == h.next:
			s.mu.Unlock()
			return nil
		}
		h.flushing = true
		token := s.writable.arm()
		s.mu.Unlock()
		if err := s.wait(token, &s.wdl); err != nil {
			return err
		}
	}
}
