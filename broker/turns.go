package broker

import (
	"container/list"
	"net"
	"net/netip"
)

// turns is a queue of connections, with a line for each source. The lines take turns, so
// that a source of many connections delays those of others by one turn each round.
// While few sources wait, they have the whole queue. It is not safe for concurrent use.
type turns struct {
	places, waiting int
	lines           map[netip.Prefix]*line
	order           list.List // of *line, the next one in front
}

// line is those that wait of one source. There is none without any.
type line struct {
	source netip.Prefix
	turns  list.List     // of *turn
	at     *list.Element // in the order
}

// turn is the place of a connection that waits.
type turn struct {
	outcome chan error // gets one: nil when it is the turn; it never blocks
	gone    func() bool
	line    *line
	at      *list.Element // in the line; nil once it has left
}

// join gives a connection the last place of its source's line. If there are no more
// places, the last of the longest line loses its own to it, which is returned as lost.
// If its own line would be the longest, it gets none: t is nil.
func (q *turns) join(source netip.Prefix, gone func() bool) (t, lost *turn) {
	l := q.lines[source]
	if q.waiting >= q.places {
		mine := 0
		if l != nil {
			mine = l.turns.Len()
		}
		longest := q.longest()
		if longest == nil || mine+1 >= longest.turns.Len() {
			return nil, nil
		}
		lost = longest.turns.Back().Value.(*turn)
		q.leave(lost)
	}
	if l == nil {
		l = &line{source: source}
		l.at = q.order.PushBack(l)
		q.lines[source] = l
	}
	t = &turn{outcome: make(chan error, 1), gone: gone, line: l}
	t.at = l.turns.PushBack(t)
	q.waiting++
	return t, lost
}

// longest returns the longest line, nil if there is none. It looks at all sources: with
// 1,000 of them that is some microseconds, and the ClientHello took ten times as long.
func (q *turns) longest() (longest *line) {
	for e := q.order.Front(); e != nil; e = e.Next() {
		if l := e.Value.(*line); longest == nil || l.turns.Len() > longest.turns.Len() {
			longest = l
		}
	}
	return longest
}

// leave gives up a place, unless the turn has left already.
func (q *turns) leave(t *turn) {
	if t.at == nil {
		return
	}
	t.line.turns.Remove(t.at)
	t.at = nil
	q.waiting--
	if t.line.turns.Len() == 0 {
		q.order.Remove(t.line.at)
		delete(q.lines, t.line.source)
	}
}

// pop takes out the first whose client is still there: of the line in front, which
// then is the last. It returns nil if there is none.
func (q *turns) pop() *turn {
	for q.waiting > 0 {
		l := q.order.Front().Value.(*line)
		t := l.turns.Front().Value.(*turn)
		q.leave(t)
		if t.gone() {
			t.outcome <- errGone
			continue
		}
		if l.turns.Len() > 0 {
			q.order.MoveToBack(l.at)
		}
		return t
	}
	return nil
}

// sourceOf returns where a connection comes from: an address of IPv4, or the /64 that
// an IPv6 host can choose its addresses from. Those of other kinds are one source.
func sourceOf(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	source, _ := ip.Prefix(bits) // an invalid address is the zero source
	return source
}
