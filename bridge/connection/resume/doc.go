// Package resume has one end of a connection that outlives what carries it: a stream of
// bytes in both directions, as of TCP, over attachments that come and go. Both ends are of
// this package: the bridge's in package connection, the client's in package
// client/connection.
//
// An attachment is a [Transport] of messages, such as a WebSocket. Each end keeps what it
// has sent until the other has consumed it, and when a new attachment begins, each end is
// told how much the other has. So nothing is lost, and nothing comes twice, whatever the
// old attachment lost on its way.
//
// # Messages
//
// The first byte is the kind, and numbers are unsigned varints as of encoding/binary.
//
//	1 data      offset, bytes    a part of the stream
//	2 consumed  offset           the other side needs nothing before it any more
//	3 half      offset           the stream of this direction ends there
//	4 closed    offset           the same, and this end reads no more
//	5 broken    offset, text     the same, and the connection broke, with the reason
//	6 ping                       answered by a message of kind 2
//
// The end of a direction, of kinds 3 to 5, takes an offset of its own: who has consumed
// it has consumed offset+1.
//
// # Invariants
//
//   - Bytes that are not consumed are at most [Window] in each direction: a writer waits,
//     as for a TCP window. A peer that sends more ends the connection.
//   - What ends a connection for good is set once, and every later call returns it.
//   - A peer can only break the connection, whatever it sends: see [Conn.Attach].
//
// Goroutines: [Conn.Attach] has one, which has ended when it returns. There are no others.
package resume
