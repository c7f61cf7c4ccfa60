package serve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
)

// lastBytes is what a server sends before its connection breaks: less than the
// window, so that the agent has all of it while the bridge reads nothing.
var lastBytes = bytes.Repeat([]byte("last words 16 B "), 200<<10/16)

// breakOff answers like an API server and breaks the connection off, by a TCP
// reset once arrived is closed, or by its mere end if arrived is nil.
func breakOff(t *testing.T, arrived <-chan struct{}, answer string) string {
	t.Helper()
	return agenttest.RawServer(t, func(c net.Conn) {
		defer c.Close()
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		_, _ = io.WriteString(c, answer)
		if arrived != nil {
			<-arrived // a reset overtakes what the kernel has not sent
			_ = c.(*net.TCPConn).SetLinger(0)
		}
	})
}

// wantBroken reads what a stream has only once it has ended, as a slow client
// may, and wants all that was sent and then an abrupt end.
// arrived, if not nil, is closed when the bridge has everything.
func wantBroken(t *testing.T, p *pair, head *subjects.RequestHead, fin bool, status int, want []byte, arrived chan<- struct{}) {
	t.Helper()
	s := p.open(t, head, nil, fin)
	if h := agenttest.MustHead(t, s); h.Status != status {
		t.Errorf("status %d", h.Status)
	}
	if arrived != nil {
		func() {
			defer close(arrived)
			agenttest.WaitFor(t, "all has arrived", func() bool { return s.Buffered() == len(want) })
		}()
	}
	agenttest.WaitFor(t, "the stream has ended", func() bool { return s.Err() != nil })
	got, err := io.ReadAll(s)
	if !bytes.Equal(got, want) || subjects.CodeOf(err) != subjects.CodeUpstream {
		t.Errorf("got %d bytes of %d, then %v; want all, then %v", len(got), len(want), err, subjects.CodeUpstream)
	}
	agenttest.WaitFor(t, "the agent is done", func() bool { return p.agent.Streams() == 0 })
}

func TestAllBytesBeforeAnUpgradedConnectionBreaks(t *testing.T) {
	config := agenttest.ConfigFor(agenttest.Server(t, true, nil))
	config.CAData = nil
	arrived := make(chan struct{})
	config.Host = breakOff(t, arrived, "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"+string(lastBytes))
	wantBroken(t, newPair(t, config), agenttest.UpgradeTo("POST", "/", "x"), false, 101, lastBytes, arrived)
}

// A TLS connection that breaks inside a record.
func TestAllBytesBeforeTLSBreaks(t *testing.T) {
	s := agenttest.Server(t, false, func(w http.ResponseWriter, _ *http.Request) {
		conn, _ := hijack(t, w, "x", string(lastBytes))
		raw := conn.(*tls.Conn).NetConn()
		_, _ = raw.Write([]byte{23, 3, 3, 0, 200, 1, 2, 3})
		_ = raw.Close()
	})
	wantBroken(t, newPair(t, agenttest.ConfigFor(s)), agenttest.UpgradeTo("POST", "/", "x"), false, 101, lastBytes, nil)
}

func TestAllBytesBeforeABodyBreaks(t *testing.T) {
	for _, over := range []string{"end", "reset"} {
		for name, answer := range map[string]string{
			"length":  fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(lastBytes)+1, lastBytes),
			"chunked": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(lastBytes), lastBytes),
		} {
			t.Run(name+" "+over, func(t *testing.T) {
				config := agenttest.ConfigFor(agenttest.Server(t, true, nil))
				config.CAData = nil
				var arrived chan struct{}
				if over == "reset" {
					arrived = make(chan struct{})
				}
				config.Host = breakOff(t, arrived, "HTTP/1.1 200 OK\r\n"+answer)
				wantBroken(t, newPair(t, config), agenttest.Post("/", 0), true, 200, lastBytes, arrived)
			})
		}
	}
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		for _, want := range [][]byte{lastBytes, lastBytes[:16]} { // streamed, and held back for more
			s := agenttest.Server(t, h2, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(want)
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			})
			wantBroken(t, newPair(t, agenttest.ConfigFor(s)), agenttest.Post("/", 0), true, 200, want, nil)
		}
	})
}

// TestBytesBeforeABreakThatWereLost: messages that NATS has lost are sent again
// before the stream is reset.
func TestBytesBeforeABreakThatWereLost(t *testing.T) {
	config := agenttest.ConfigFor(agenttest.Server(t, true, nil))
	config.CAData = nil
	config.Host = breakOff(t, nil, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n%s", lastBytes[:16]))
	p := newPair(t, config)
	p.lose.Store(1)
	wantBroken(t, p, agenttest.Post("/", 0), true, 200, lastBytes[:16], nil)
}

// TestBreakWithoutBridge: the wait for a bridge that does not confirm ends with
// the stream, so that nothing holds up an agent that stops.
func TestBreakWithoutBridge(t *testing.T) {
	broken := make(chan struct{})
	breaks := sync.OnceFunc(func() { close(broken) })
	defer breaks() // the server waits for its handlers
	s := agenttest.Server(t, true, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(lastBytes[:16])
		_ = http.NewResponseController(w).Flush()
		<-broken
		panic(http.ErrAbortHandler)
	})
	p := newPair(t, agenttest.ConfigFor(s))
	st := p.open(t, agenttest.Get("/"), nil, true)
	agenttest.MustHead(t, st)
	p.agent.LinkDown() // nothing arrives any more
	breaks()
	p.agent.Close()
	if err := p.agent.Wait(context.Background()); err != nil {
		t.Error(err)
	}
}
