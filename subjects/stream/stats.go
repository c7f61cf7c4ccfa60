package stream

import "sync/atomic"

type stats struct {
	opened, refused, resetByPeer, resent, gaps, malformed, unknown, peersLost atomic.Uint64
}

// Stats counts since the endpoint was made.
type Stats struct {
	Open        int    // streams open now
	Opened      uint64 // streams opened or accepted
	Refused     uint64 // streams refused on arrival
	ResetByPeer uint64
	Resent      uint64 // frames sent again
	Gaps        uint64 // frames that arrived after a missing one
	Malformed   uint64 // frames dropped as malformed or of an unknown version
	PeersLost   uint64 // times that a peer was presumed dead
}

// Stats returns the counts of this moment.
func (e *Endpoint) Stats() Stats {
	return Stats{
		Open: e.Streams(), Opened: e.stats.opened.Load(), Refused: e.stats.refused.Load(),
		ResetByPeer: e.stats.resetByPeer.Load(), Resent: e.stats.resent.Load(), Gaps: e.stats.gaps.Load(),
		Malformed: e.stats.malformed.Load() + e.stats.unknown.Load(), PeersLost: e.stats.peersLost.Load(),
	}
}
