package broker

import (
	"errors"
	"net"
)

// errDraining is why there are no new connections; the server would leave an
// in-process one hanging.
var errDraining = errors.New("broker: draining")

// InProcessConn connects without a socket, for a bridge in the same process.
// The user must be allowed the connection type IN_PROCESS. The connection is a
// pipe without a buffer, which clients wrap in natslink.InProcess so that a
// refusal does not take them 10 s.
func (b *Broker) InProcessConn() (net.Conn, error) {
	if b.draining.Load() {
		return nil, errDraining
	}
	return b.server.InProcessConn()
}
