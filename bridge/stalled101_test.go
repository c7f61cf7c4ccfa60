package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestSwitchThatNobodyReads: a client that does not even read the 101 keeps
// neither a drain waiting, nor does it outlive its token. The head is larger than
// what the sockets take, as a cluster may make it.
func TestSwitchThatNobodyReads(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"drain", "revoked"} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t, rigOptions{change: func(s *http.Server) {
				s.ConnState = func(c net.Conn, state http.ConnState) {
					if state == http.StateNew {
						_ = c.(*tls.Conn).NetConn().(interface{ SetWriteBuffer(bytes int) error }).SetWriteBuffer(16 << 10)
					}
				}
			}})
			var large []string
			for i := range 100 {
				large = append(large, fmt.Sprintf("X-Large-%d", i), strings.Repeat("x", 8<<10))
			}
			ended := make(chan error, 1)
			r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
				_, _ = s.Write(encodeHead(101, -1, append(large, "Upgrade", "SPDY/3.1", "Connection", "Upgrade")...))
				_ = s.Flush()
				<-s.Context().Done()
				ended <- context.Cause(s.Context())
			})
			c, _ := r.raw(upgradeHead)
			narrow(t, c)
			r.eventually("the 101 is being written", func() bool { return r.server.tunnel.Upgraded() == 1 })
			if how == "revoked" {
				if err := os.WriteFile(r.tokensFile, []byte("tokens: []\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := within(t, "the agent hears of it", 5*time.Second, ended); subjects.CodeOf(err) != subjects.CodeCanceled {
					t.Errorf("the stream ended with %v, want canceled", err)
				}
				r.eventually("the request has ended", func() bool { return r.server.tunnel.Upgraded() == 0 })
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			drained := make(chan error, 1)
			go func() { drained <- r.server.Drain(ctx) }()
			if err := within(t, "Drain returns", 5*time.Second, drained); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Drain: %v, want that the time was over", err)
			}
		})
	}
}
