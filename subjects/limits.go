package subjects

import "time"

// Limits to which the two sides hold each other. Data beyond a limit is answered
// as PROTOCOL.md says, and never buffered.
const (
	// MaxMessage is the largest message in bytes: nats.go reads 32 KiB at a
	// time and copies each message into memory of its own, and Go allocates
	// more than 32,760 bytes as a large object, zeroed and one by one (13 % of
	// a bulk profile; half a KiB less cut its CPU by 6 to 26 %, measured).
	MaxMessage = 32<<10 - 512
	// MaxPayload is the largest payload of a DATA frame in bytes.
	MaxPayload = MaxMessage - DataHeaderLen
	// InitialWindow is the credit in bytes that each direction of a new stream
	// has without asking.
	InitialWindow = 256 << 10
	// MaxWindow is the most credit that a receiver ever gives.
	MaxWindow = 4 << 20
	// MaxHead is the largest encoded request or response head in bytes, as
	// net/http's default for header bytes.
	MaxHead = 1 << 20
	// MaxHeaders is the largest number of header lines in a head.
	MaxHeaders = 1 << 10
	// MaxExtensions is how many extensions a head may have: more than are ever
	// needed, and few enough to look through for each request.
	MaxExtensions = 32
	// MaxExtensionBytes is the sum of their values in bytes: room for a caller
	// with hundreds of groups.
	MaxExtensionBytes = 16 << 10
	// MaxTrailer is the largest encoded trailer in bytes: it must fit a frame.
	MaxTrailer = 16 << 10
	// MaxDetail is the longest detail of a reset in bytes.
	MaxDetail = 1 << 10
	// MaxEntries is how many entries an ACK or PROBE frame may have.
	MaxEntries = (MaxMessage - 2) / ProbeEntryLen
	// MaxStreams is how many streams a bridge may have open on one instance.
	MaxStreams = 16 << 10
	// MaxPresence is the largest presence message in bytes.
	MaxPresence = 4 << 10
)

// Clocks that both sides rely on.
const (
	// HeartbeatInterval is how often an agent instance announces itself.
	HeartbeatInterval = 5 * time.Second
	// PingInterval is how often a peer with open streams is asked for a sign
	// of life.
	PingInterval = 2500 * time.Millisecond
	// PeerTimeout is the silence after which a peer is presumed dead while our
	// own link is up. It is longer than a peer needs whose path to the broker has
	// gone silent: up to 15 s until it notices, and 10 s for an attempt to connect
	// that fails before the next one.
	PeerTimeout = 30 * time.Second
	// AbsentTimeout is the same for a peer that is not connected, according to the
	// broker; and for requests without a response that another instance can
	// execute. It is four pings.
	AbsentTimeout = 10 * time.Second
	// OutageTimeout is how long streams wait for our own link to come back
	// before they are given up.
	OutageTimeout = 60 * time.Second
)
