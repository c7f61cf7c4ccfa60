// Package stream carries many reliable, flow-controlled byte streams between
// processes over a [Link]. A link may lose, duplicate and delay messages, and keeps
// their order only while it stays up, as core NATS does. The frames and the rules
// are those of ../PROTOCOL.md.
//
// One side opens streams ([Endpoint.Open]), the other accepts them
// ([Config].Handler). A stream has two directions. Each is a sequence of bytes
// with absolute offsets and an end, which takes an offset of its own.
//
// An endpoint gets its link when it is made. The owner of the link passes arriving
// messages to the endpoint, and reports when the link goes down and comes back:
//
//	e := stream.New(stream.Config{Handler: serve}, link)
//	link.OnMessage(func(from string, msg []byte) { e.Receive(e.AddPeer(from), msg) })
//	s, err := e.Open(ctx, to, request, true) // then s.Read, s.Write, s.Close
//
// The package knows nothing of NATS or HTTP. It does not connect, authenticate,
// encrypt or look for peers, and no stream survives the process at either end.
//
// # Invariants
//
//   - [Endpoint.Receive] never blocks and never sends: the outbox goroutine sends
//     the answers. A reader that stops costs at most its window and delays no
//     other stream.
//   - A sender keeps each frame until the peer has acknowledged it. After a gap, a
//     reconnect or the answer to a probe it resends from the receiver's position;
//     the receiver trims bytes that it already has.
//   - Received bytes are acknowledged when they arrive, not when they are read:
//     slow readers do not use up the bound on bytes in flight to a peer. Credit
//     follows reading.
//   - Unacknowledged bytes in large frames stay within that bound, whether in
//     openings, data or resends.
//   - An accepting endpoint starts the handler at most once for a stream id,
//     whatever arrives in whatever order.
//   - The terminal cause of a stream is set once; every later call reports it.
//   - A stream that has ended leaves no goroutine, no timer and no table entry.
//
// # Goroutines
//
// Each [Endpoint] has an outbox goroutine, which answers arriving frames, and a
// clock goroutine, which looks for overdue answers. Handlers run on pooled
// goroutines, which end when they have been idle for a second. A handler's panic is
// recovered there, and only there: it resets the stream and is logged.
//
// # Packages
//
// Each part that needs nothing of the whole is a package below internal:
//
//   - flow is the arithmetic of credit;
//   - frame has the buffers of frames that are kept until they are acknowledged;
//   - idset remembers which stream ids have been seen, in bounded memory;
//   - rtt keeps the shortest round trip;
//   - wait is what a blocked reader or writer waits for;
//   - workers runs the handlers.
//
// # Locks
//
// They are taken in this order: Stream.wmu or Stream.rmu (one writer, one reader
// at a time), Endpoint.mu, Peer.mu, then Stream.mu or outbox.mu. The mutexes
// inside the packages above come last: nothing is locked while they are held. No
// lock is held while a message is handed to the Link, except wmu and, for the
// credit that reading gives, rmu.
//
//	field                              guarded by         written by
//	Endpoint.peers, firstID            Endpoint.mu        AddPeer; the clock, which forgets
//	Endpoint.downSince, upSince        atomic             the owner of the link; the clock after a stall
//	Peer.streams, nextID, seen         Peer.mu            openers, the receiver; whatever ends streams
//	Peer.work                          Peer.mu            all; the outbox and the clock empty it
//	Peer.budget, opening,              Peer.mu            writers and openers, the receiver, the
//	Stream.budget                                         outbox (resends), the clock (its size)
//	Peer.lastHeard, lastPing,          atomic             the receiver, the clock, LinkUp
//	absentAt, idleSince, drained
//	Peer.audited                       nothing            the clock alone
//	Peer.logged, large                 nothing            the receiver alone
//	Stream.id                          nothing            the opener, before it is in the table
//	Stream.recv, send, cause,          Stream.mu          reader, writer, receiver, outbox, clock
//	removed, closed, impatient,
//	user, cancel, readable, writable
//	Stream.ackQueued                   atomic             the receiver sets it, the outbox clears it
//	Stream.overdueAt                   atomic, written    writer, receiver, clock; remove clears it
//	                                   under Stream.mu    without the lock, once removed is set
//	Stream.rdl, wdl                    their own mutex    SetDeadline; remove stops them
//	Frame.Buf                          nothing            the writer, until the frame is kept
//
// The receiver is the goroutine that calls [Endpoint.Receive] for a peer; there
// is one at a time.
package stream
