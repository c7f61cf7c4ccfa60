package stream

import (
	"errors"
	"log/slog"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// Link carries messages to peers. Both methods may be called concurrently,
// must not keep msg after they return, and keep the order of messages that one
// goroutine sends to one address. An error means that the message was certainly
// not sent; no error does not mean that it arrives.
type Link interface {
	Send(to string, msg []byte) error
	// SendOpen is Send for the first frame of a stream or, with stream 0, for a
	// question to the peer. A link that learns that the address has no listener
	// reports this with [Endpoint.NoResponders].
	SendOpen(to string, stream uint64, msg []byte) error
}

// Config configures an [Endpoint]. The zero value opens streams and accepts
// none, with the documented defaults.
type Config struct {
	// Handler serves an accepted stream, on a goroutine of its own. When it
	// returns, a stream whose end has been sent is left to finish by itself
	// and any other is reset with CodeCanceled. A panic is logged and resets
	// the stream with CodeInternal. Nil refuses all streams.
	Handler func(*Stream)
	// MaxStreams bounds the streams that are open at a time: for each peer on the
	// opening side, in all on the accepting side. There a handler still counts if
	// it runs on after its stream has ended. Default subjects.MaxStreams.
	MaxStreams int
	// Window is the most credit in bytes that a stream's receiver gives on a long
	// path. Default subjects.MaxWindow; at least subjects.InitialWindow.
	Window int
	// GrownWindows bounds the bytes by which the windows of all streams together
	// have grown beyond subjects.InitialWindow. The unread bytes of streams that
	// have ended count too. Default 32 MiB: 640 MB/s over 50 ms, and less than
	// 1 MiB for each of 50 readers that stop.
	GrownWindows int
	// InFlight is the largest number of bytes in flight to one peer in large
	// frames (over 4 KiB); small ones never wait for it. The bound begins at 512
	// KiB and grows up to this on a long path. Default 16 MiB.
	InFlight int
	// PeerTimeout is the silence after which a peer with open streams is presumed
	// dead, while the link is up. Default subjects.PeerTimeout; at most 5 minutes.
	PeerTimeout time.Duration
	// AbsentTimeout is the same silence for a peer whose address has no listener,
	// as the link reports, and for streams with [Stream.EndWhenAbsent]. Default
	// subjects.AbsentTimeout; at most PeerTimeout.
	AbsentTimeout time.Duration
	// OutageTimeout is how long streams wait while the link is down. Default
	// subjects.OutageTimeout; at most 5 minutes, since the peer forgets after 10
	// which streams it has seen.
	OutageTimeout time.Duration
	// PingInterval is how often a peer with open streams is asked for a sign of
	// life. Default subjects.PingInterval; at most half of AbsentTimeout.
	PingInterval time.Duration
	// Forgotten is called when a peer is dropped from the endpoint's table, after
	// ten minutes without a stream and without a message from it. It must not call
	// the endpoint.
	Forgotten func(to string)
	// Absent is called when the link has reported that the address of a peer with
	// open streams has no listener; repeatedly while that is so. It must not block.
	Absent func(to string)
	// Logger gets the faults of peers and the panics of handlers. Default: discard.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	defD := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.MaxStreams, subjects.MaxStreams)
	def(&c.Window, subjects.MaxWindow)
	c.Window = min(max(c.Window, subjects.InitialWindow), subjects.MaxWindow)
	def(&c.GrownWindows, 32<<20)
	def(&c.InFlight, 16<<20)
	c.InFlight = max(c.InFlight, minInFlight)
	defD(&c.PeerTimeout, subjects.PeerTimeout)
	defD(&c.AbsentTimeout, subjects.AbsentTimeout)
	defD(&c.OutageTimeout, subjects.OutageTimeout)
	defD(&c.PingInterval, subjects.PingInterval)
	c.PeerTimeout = min(c.PeerTimeout, peerIdle/2)
	c.OutageTimeout = min(c.OutageTimeout, peerIdle/2)
	c.AbsentTimeout = min(c.AbsentTimeout, c.PeerTimeout)
	c.PingInterval = min(c.PingInterval, c.AbsentTimeout/2)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

const (
	// minInFlight is the least bound on large frames in flight to a peer, that of
	// a short path. It is enough for the full rate on a local path, and has a small
	// frame wait for 1 ms at 500 MB/s.
	minInFlight = 512 << 10
	// smallFrame is the largest payload, in bytes, that does not wait for that bound.
	smallFrame = 4 << 10
	// ackEvery is the number of unacknowledged bytes at which a receiver
	// acknowledges immediately, without waiting for the clock.
	ackEvery = 64 << 10
	// ackFrames is the same for the number of messages: a quarter of those that
	// the initial window allows in flight.
	ackFrames = 64
	// ackBatch is the number of finished streams at which their acknowledgements
	// are sent without waiting for the clock.
	ackBatch = 64
	// ackDelay is how long an acknowledgement may wait for others.
	ackDelay = 25 * time.Millisecond
	// scanInterval is how often all streams are checked for overdue answers.
	scanInterval = 250 * time.Millisecond
	// probeAfter is how long a sender waits for an acknowledgement before it
	// asks; doubled at each ask without progress, up to maxProbeAfter.
	probeAfter    = time.Second
	maxProbeAfter = 4 * time.Second
	// askAgain is the least time between two probes of one stream that follow
	// probes from the peer.
	askAgain = 250 * time.Millisecond
	// auditInterval is how often both sides of a quiet stream make sure that the
	// other has not lost it, which can happen if one direction of the path failed
	// for a while.
	auditInterval = 30 * time.Second
	// resendPause is the least time between two resends from one offset.
	resendPause = 20 * time.Millisecond
	// stallAfter is a delay of the clock which shows that this process itself was
	// stopped: it could not hear its peers, and must not presume them dead.
	stallAfter = 2 * time.Second
	// peerIdle is how long a silent peer without streams is remembered, with the
	// ids of the streams it opened. No message is delayed by nearly as much.
	peerIdle = 10 * time.Minute
	// maxPeers bounds the peers that an accepting endpoint remembers. What it
	// remembers of them is bounded too: see package idset.
	maxPeers = 4096
	// maxQueued bounds the entries of one kind that wait to be sent to a peer.
	// Those beyond it are dropped: like a lost message, they are asked for again.
	maxQueued = 2 * subjects.MaxStreams
	// logInterval is the least time between two log lines about one peer's
	// malformed frames.
	logInterval = 10 * time.Second
)

// ErrStopped is returned by writes after the peer has stopped reading.
var ErrStopped = errors.New("stream: peer stopped reading")

// ErrWriteAfterClose is returned by writes after CloseWrite.
var ErrWriteAfterClose = errors.New("stream: write after CloseWrite")

// ErrClosed is returned by Open on a closed endpoint.
var ErrClosed = errors.New("stream: endpoint closed")

// errEmptyOpen is returned by Open for an opening without bytes or end.
var errEmptyOpen = errors.New("stream: opening without bytes")
