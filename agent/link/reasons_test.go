package link

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestExplainTellsCausesApart(t *testing.T) {
	creds := &Creds{Cluster: "prod", revoked: new(atomic.Bool)}
	for want, err := range map[string]error{
		"have expired":                nats.ErrAuthExpired,
		"credential revoked":          nats.ErrAuthRevoked,
		"account has expired":         nats.ErrAccountAuthExpired,
		"at its limit of connections": nats.ErrMaxAccountConnectionsExceeded,
		"another broker":              nats.ErrAuthorization,
		"another role's key":          fmt.Errorf("%w: up.x", nats.ErrPermissionViolation),
		"does not speak TLS":          nats.ErrSecureConnWanted,
		"no server":                   nats.ErrNoServers,
		"answered for 15 s":           nats.ErrStaleConnection,
		"something else":              errors.New("something else"),
		// Without this end's port, which is another each time.
		"handshake: read tcp 192.0.2.1:443: i/o timeout": fmt.Errorf("handshake: %w", &net.OpError{
			Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded,
			Source: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 40000}, Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443},
		}),
	} {
		if got := explain(err, creds); !strings.Contains(got, want) {
			t.Errorf("%v: got %q, want %q in it", err, got, want)
		}
	}
}
