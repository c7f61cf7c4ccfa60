// Package link keeps an agent connected to a broker, and says exactly why when
// it is not.
//
// A [Connector] tries every server with the credentials of a file, hands a
// connection that works to Config.Adopt, watches it until it is lost, and moves
// to another one when the file has new credentials. Package dial makes the steps
// before the NATS protocol.
//
// Invariants:
//
//   - Credentials that the broker has accepted stay in use until it accepts
//     others: the new connection is made before the old one is given up
//     (connect.go).
//   - Nothing that can be put right from outside ends [Connector.Run]: a file
//     that is missing or damaged is waited for, and attempts never end. The
//     pause between two is at most 10 s, unless a server asks for more (limits.go).
//   - The same cause is reported in the same words (reasons.go), which tests and
//     alerts match, and at most once a minute (state.go). They are one line
//     without control characters, whatever a server has put into them.
//   - No secret is logged or shown: of the credentials only the cluster's name,
//     the times and the public keys, of a URL neither password nor query.
//
// Goroutines: those of nats.go. [Connector.Run] runs in its caller's, which owns
// the credentials and the connections. Callbacks of nats.go come one by one and
// touch only what connection says.
package link
