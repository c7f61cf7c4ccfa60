package stream

import "github.com/fairlead-io/fairlead/subjects"

// EndWhenAbsent has the stream end with CodePeerLost as soon as nobody listens
// at the peer's address, unless something was received on it by then. Without
// it the stream waits until the peer is back, or presumed dead: what the peer
// may have executed must not be sent to another.
func (s *Stream) EndWhenAbsent() {
	s.mu.Lock()
	s.impatient = true
	s.mu.Unlock()
}

// absent ends the streams that shall not wait for the peer to come back.
func (p *Peer) absent() {
	all := p.snapshot()
	for _, s := range all {
		s.mu.Lock()
		// Where something was heard, the peer is at work on it.
		ended := s.impatient && s.recv.position() == 0 && s.setCause(&subjects.ResetError{
			Code: subjects.CodePeerLost, Detail: "nobody listens for this instance any more",
		})
		s.mu.Unlock()
		if ended {
			s.removeReset(subjects.CodePeerLost, "")
		}
	}
	if len(all) > 0 && p.ep.cfg.Absent != nil {
		p.ep.cfg.Absent(p.to)
	}
}
