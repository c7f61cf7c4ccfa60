package link

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

// TestEveryRefusalIsHeard: a broker closes right behind its refusal, while the
// agent may still write. Credentials are parsed again each time, so that nothing
// is remembered of them.
func TestEveryRefusalIsHeard(t *testing.T) {
	b := agenttest.NewBroker(t)
	b.WithWebSocket(true)
	text := []byte(agenttest.ReadFile(t, b.RefusedCreds()))
	// The real one is seldom this fast: half of the CONNECT is enough for it.
	eager := agenttest.RawServer(t, func(c net.Conn) {
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, `INFO {"server_id":"x","version":"2.15.2","headers":true,"max_payload":1048576,"auth_required":true,"nonce":"abc"}`+"\r\n")
		if _, err := io.ReadFull(c, make([]byte, 8)); err == nil {
			_, _ = io.WriteString(c, "-ERR 'Authorization Violation'\r\n")
		}
	})
	for server, attempts := range map[string]int{
		b.Server.WebsocketURL(): 50, b.URL(): 50, strings.Replace(eager, "http", "nats", 1): 300,
	} {
		broker, err := reach.Open(reach.Config{Servers: []string{server}, Transport: transport.Config{CAFile: b.CAFile}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		u := broker.Servers()[0]
		c := &Connector{broker: broker, log: slog.New(slog.DiscardHandler)}
		others := make(map[string]int)
		for range attempts {
			creds, err := parseCreds(text)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := c.connectTo(t.Context(), u, creds)
			if err == nil {
				conn.Close()
				t.Fatal("a stranger's credentials were accepted")
			}
			if !errors.Is(err, nats.ErrAuthorization) {
				others[err.Error()]++
			}
		}
		if len(others) > 0 {
			t.Errorf("%s: other reasons than the refusal in %d attempts: %v", u.Scheme, attempts, others)
		}
	}
}
