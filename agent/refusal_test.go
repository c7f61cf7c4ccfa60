package agent

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
)

// breaker stands before a broker and, while cutting, resets each connection in
// place of the broker's answer to CONNECT.
type breaker struct {
	backend string
	cutting atomic.Bool
	cuts    atomic.Int32
}

func (f *breaker) serve(in net.Conn) {
	out, err := net.Dial("tcp", f.backend)
	if err != nil {
		_ = in.Close()
		return
	}
	var connecting atomic.Bool
	var wg sync.WaitGroup
	defer wg.Wait()
	defer func() { _, _ = in.Close(), out.Close() }()
	wg.Go(func() {
		b := make([]byte, 4<<10)
		for n, err := in.Read(b); err == nil; n, err = in.Read(b) {
			// All after the request for a WebSocket is the agent's CONNECT.
			connecting.Store(!strings.HasPrefix(string(b[:n]), "GET "))
			if _, err := out.Write(b[:n]); err != nil {
				return
			}
		}
		_ = out.Close()
	})
	b := make([]byte, 4<<10)
	for n, err := out.Read(b); err == nil; n, err = out.Read(b) {
		if connecting.Load() && f.cutting.Load() {
			f.cuts.Add(1)
			_ = in.(*net.TCPConn).SetLinger(0)
			return
		}
		if _, err := in.Write(b[:n]); err != nil {
			return
		}
	}
}

// TestRefusalOutlivesBreaks: a connection that breaks before the broker's answer
// does not replace a better reason. Without one, the reason for such a break always
// has the same words.
func TestRefusalOutlivesBreaks(t *testing.T) {
	b := agenttest.NewBroker(t)
	b.WithWebSocket(false)
	expired, _ := b.Creds(b.Agents, "prod", time.Now().Add(-time.Hour))
	s := agenttest.Kube(t, nil)
	const refusal, silence = "the broker refuses the credentials of cluster prod: ", "the broker closed the connection without accepting or refusing the credentials "
	for name, test := range map[string]struct {
		creds       string
		first, then string // without and with breaks
	}{
		"refused":  {b.RefusedCreds(), refusal, refusal},
		"unknown":  {b.RefusedCreds(), "", silence},
		"expired":  {expired, "", "credentials of cluster prod expired on "},
		"accepted": {func() string { file, _ := b.Creds(b.Agents, "prod", time.Time{}); return file }(), "", silence},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &breaker{backend: strings.TrimPrefix(b.Server.WebsocketURL(), "ws://")}
			f.cutting.Store(test.first == "")
			server := strings.Replace(agenttest.RawServer(t, f.serve), "http", "ws", 1)
			a, _, log := runAgent(t, Config{Servers: []string{server}, CredsFile: test.creds, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s))})
			if test.first != "" {
				agenttest.WaitFor(t, test.first, func() bool { text, _ := brokerCheck(t, a); return strings.Contains(text, test.first) })
				f.cutting.Store(true)
			}
			agenttest.WaitFor(t, "three breaks", func() bool { return f.cuts.Load() >= 3 })
			agenttest.WaitFor(t, test.then, func() bool { text, _ := brokerCheck(t, a); return strings.Contains(text, test.then) })
			if n := strings.Count(log.String(), "cannot connect to broker"); n != 1 {
				t.Errorf("%d reasons, want only one:\n%s", n, log)
			}
		})
	}
}
