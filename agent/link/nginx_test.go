package link

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/test/harness/nginxtest"
)

// TestNginxThatCutsConnections: an nginx that ends connections after 3 s of silence,
// which is less than the time between two pings, is told from a broker that closes
// them. nginx counts from the first ping.
func TestNginxThatCutsConnections(t *testing.T) {
	t.Parallel()
	b := agenttest.NewBroker(t)
	b.WithWebSocket(false)
	broker, err := url.Parse(b.Server.WebsocketURL())
	if err != nil {
		t.Fatal(err)
	}
	cert, key := nginxtest.Certificate(t, b.CA.Server())
	n := nginxtest.Start(t, nginxtest.Options{
		HTTP: fmt.Sprintf(`include fairlead/upgrade-map.conf; server { listen {address} ssl; ssl_certificate server.crt; ssl_certificate_key server.key;
			location / { proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $fairlead_connection;
			proxy_read_timeout 3s; proxy_pass http://%s; } }`, broker.Host),
		Files: map[string][]byte{"server.crt": cert, "server.key": key},
	})
	creds, _ := b.Creds(b.Agents, "prod", time.Time{})
	losses := make(chan *cause.Failure, 100)
	c, err := New(Config{
		Servers: []string{"wss://" + n.Address}, CredsFile: creds, Transport: transport.Config{CAFile: b.CAFile}, Registry: prometheus.NewRegistry(), Logger: agenttest.Discard(),
		Adopt: func(*nats.Conn, string) error { return nil }, OnFailure: func(f *cause.Failure) { losses <- f },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if nc := c.Run(ctx); nc != nil {
			nc.Close()
		}
	}()
	defer func() { cancel(); <-done }()
	// Two are enough of a rule for the third. On a busy machine, connections that nginx cuts
	// after the same time do not last equally long here.
	const rule, most = 2, 12
	for i := range most {
		var f *cause.Failure
		select {
		case f = <-losses:
		case <-time.After(time.Minute):
			t.Fatalf("loss %d: not within a minute", i)
		}
		if f.Hop != cause.NATS || f.Cause != cause.ConnectionLost && f.Cause != cause.CutRegularly || i < rule && f.Cause == cause.CutRegularly {
			t.Fatalf("loss %d: %s", i, f)
		}
		if f.Cause == cause.CutRegularly {
			if !strings.HasPrefix(f.Got, "the last connections were closed after ") || !strings.Contains(f.Cure(), "proxy_read_timeout") {
				t.Errorf("loss %d: %s; %s", i, f, f.Cure())
			}
			return
		}
	}
	t.Fatalf("%d losses, and no rule was seen", most)
}
