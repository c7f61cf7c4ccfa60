package crowd

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/agent/link"
	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness"
)

// member is an agent of a crowd: an agent's own connector, and its own side of the link,
// which announces it. There is no API server behind it.
type member struct {
	cluster string // prod.acme, say
	conn    atomic.Pointer[nats.Conn]
	link    *natslink.Agent // of the connector's goroutine until it has ended
	stop    context.CancelFunc
	ended   chan struct{}
	killed  bool
	left    time.Time // when kill began
}

// enlist connects n agents, each of another cluster, to all brokers of a system.
func enlist(t *testing.T, s *harness.System, n int) []*member {
	t.Helper()
	return gather(t, recruit(t, s, n))
}

// recruit mints the credentials of n agents.
func recruit(t *testing.T, s *harness.System, n int) []link.Config {
	t.Helper()
	layout, err := keys.OpenLayout(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	all := make([]link.Config, n)
	for i := range all {
		name := fmt.Sprintf("c%04d", i)
		creds, err := layout.MintAgent("acme", name, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, creds, 0o600); err != nil {
			t.Fatal(err)
		}
		all[i] = link.Config{Servers: strings.Split(s.BrokerURLs(), ","), CredsFile: file, Transport: transport.Config{CAFile: layout.CAFile()}}
	}
	return all
}

// gather runs agents until the test ends.
func gather(t *testing.T, configs []link.Config) []*member {
	t.Helper()
	all := make([]*member, len(configs))
	for i, config := range configs {
		all[i] = join(t, filepath.Base(config.CredsFile), config)
	}
	t.Cleanup(func() {
		var leaving sync.WaitGroup
		for _, m := range all {
			leaving.Go(m.kill)
		}
		leaving.Wait()
	})
	return all
}

// join runs an agent.
func join(t *testing.T, name string, config link.Config) *member {
	t.Helper()
	m := &member{cluster: name + ".acme", ended: make(chan struct{})}
	config.Registry, config.Logger = prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	config.Adopt = m.adopt
	c, err := link.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	go func() {
		defer close(m.ended)
		if nc := c.Run(ctx); nc != nil {
			nc.Close() // as the kernel does for one that was killed: there is no goodbye
		}
		if m.link != nil {
			_ = m.link.Close()
		}
	}()
	return m
}

// adopt does with a connection what an agent does.
func (m *member) adopt(nc *nats.Conn, cluster string) error {
	if m.link != nil {
		if err := m.link.Move(nc); err != nil {
			return err
		}
		m.conn.Store(nc)
		return nil
	}
	started := time.Now()
	next, err := natslink.NewAgent(nc, natslink.AgentConfig{
		Cluster: cluster, Instance: subjects.NewID('a'),
		Stream: stream.Config{Handler: func(s *stream.Stream) { s.Reset(subjects.CodeRefused, "there is no API server") }},
		Presence: func() subjects.Presence {
			return subjects.Presence{
				Version: "v1.2.3", Started: started, Kubernetes: "v1.34.4", Reachable: true, Labels: map[string]string{"env": "prod", "region": "eu"},
				Detail: &subjects.Detail{Pod: "fairlead-agent-" + cluster, Node: "node-1", Platform: "linux/amd64"},
			}
		},
	})
	if err != nil {
		return err
	}
	if err := next.Confirm(); err != nil {
		_ = next.Close()
		return err
	}
	m.link = next
	m.conn.Store(nc)
	return nil
}

// broker is the name of the broker that the agent is connected to now, "" for none.
func (m *member) broker() string {
	if nc := m.conn.Load(); nc != nil && nc.IsConnected() {
		return nc.ConnectedServerName()
	}
	return ""
}

// kill ends the agent without a goodbye.
func (m *member) kill() {
	m.left = time.Now()
	m.stop()
	<-m.ended
}
