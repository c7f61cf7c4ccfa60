package broker

import (
	"container/list"
	"net"
	"net/netip"
)

// turns is a queue of connections, with a line for each source. Networks take turns, and
// within one its lines, so that a source of many connections delays those of others by one
// turn each round, and so does a network of many sources. While few wait, they have the
// whole queue. It is not safe for concurrent use.
type turns struct {
	places, waiting int
	networks        map[netip.Prefix]*network
	order           list.List // of *network, the next one in front
}

// network is the sources that one owner may have, and that wait. There is none without any.
type network struct {
	prefix  netip.Prefix
	waiting int
	lines   map[netip.Prefix]*line
	order   list.List     // of *line, the next one in front
	at      *list.Element // in the order of networks
}

// line is those that wait of one source. There is none without any.
type line struct {
	source  netip.Prefix
	network *network
	turns   list.List     // of *turn
	at      *list.Element // in the order
}

// turn is the place of a connection that waits.
type turn struct {
	outcome chan error // gets one: nil when it is the turn; it never blocks
	gone    func() bool
	line    *line
	at      *list.Element // in the line; nil once it has left
}

// join gives a connection the last place of its source's line. If there are no more
// places, the last of the longest line of the network that has most loses its own to it,
// which is returned as lost; or of its own network, if that has as many. If its own line
// would be the longest, it gets none: t is nil.
func (q *turns) join(source netip.Prefix, gone func() bool) (t, lost *turn) {
	if q.waiting >= q.places {
		if lost = q.loser(source); lost == nil {
			return nil, nil
		}
		q.leave(lost)
	}
	l := q.line(source)
	t = &turn{outcome: make(chan error, 1), gone: gone, line: l}
	t.at = l.turns.PushBack(t)
	l.network.waiting++
	q.waiting++
	return t, lost
}

// line returns the line of a source, which is made if there is none.
func (q *turns) line(source netip.Prefix) *line {
	prefix := networkOf(source)
	n := q.networks[prefix]
	if n == nil {
		n = &network{prefix: prefix, lines: make(map[netip.Prefix]*line)}
		n.at = q.order.PushBack(n)
		q.networks[prefix] = n
	}
	l := n.lines[source]
	if l == nil {
		l = &line{source: source, network: n}
		l.at = n.order.PushBack(l)
		n.lines[source] = l
	}
	return l
}

// loser returns the turn that gives its place to a connection from source, nil for none.
func (q *turns) loser(source netip.Prefix) *turn {
	own, has := q.networks[networkOf(source)], 0
	if own != nil {
		has = own.waiting
	}
	if most := q.largest(); most != nil && has+1 < most.waiting {
		return most.longest().turns.Back().Value.(*turn)
	}
	if own == nil {
		return nil
	}
	mine := 0
	if l := own.lines[source]; l != nil {
		mine = l.turns.Len()
	}
	if longest := own.longest(); mine+1 < longest.turns.Len() {
		return longest.turns.Back().Value.(*turn)
	}
	return nil
}

// largest returns the network of which most wait, nil if none does. It looks at all: with
// 1,000 of them that is some microseconds, and the ClientHello took ten times as long.
func (q *turns) largest() (largest *network) {
	for e := q.order.Front(); e != nil; e = e.Next() {
		if n := e.Value.(*network); largest == nil || n.waiting > largest.waiting {
			largest = n
		}
	}
	return largest
}

// longest returns the longest line of a network.
func (n *network) longest() (longest *line) {
	for e := n.order.Front(); e != nil; e = e.Next() {
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
	l, n := t.line, t.line.network
	l.turns.Remove(t.at)
	t.at = nil
	q.waiting--
	n.waiting--
	if l.turns.Len() == 0 {
		n.order.Remove(l.at)
		delete(n.lines, l.source)
	}
	if n.waiting == 0 {
		q.order.Remove(n.at)
		delete(q.networks, n.prefix)
	}
}

// pop takes out the first whose client is still there: of the line in front of the network
// in front, which then are the last. It returns nil if there is none.
func (q *turns) pop() *turn {
	for q.waiting > 0 {
		n := q.order.Front().Value.(*network)
		l := n.order.Front().Value.(*line)
		t := l.turns.Front().Value.(*turn)
		q.leave(t)
		if t.gone() {
			t.outcome <- errGone
			continue
		}
		if l.turns.Len() > 0 {
			n.order.MoveToBack(l.at)
		}
		if n.waiting > 0 {
			q.order.MoveToBack(n.at)
		}
		return t
	}
	return nil
}

// networkOf returns the network that a source is in: for IPv6 the /48 that a site has, and
// anybody can have for nothing; an address of IPv4 is a network of its own.
func networkOf(source netip.Prefix) netip.Prefix {
	if !source.Addr().Is6() {
		return source
	}
	network, _ := source.Addr().Prefix(48) // an address has one
	return network
}

// nat64 has the addresses of IPv4 clients as brokers with IPv6 alone see them, behind a
// translator with the well-known prefix (RFC 6052): IPv4 is the last four bytes.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// sourceOf returns where a connection comes from: an address of IPv4, or the /64 that
// an IPv6 host can choose its addresses from. Those of other kinds are one source.
func sourceOf(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	source, _ := ip.Prefix(bits) // an invalid address is the zero source
	return source
}
