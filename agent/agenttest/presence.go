package agenttest

import (
	"crypto/tls"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// Presences collects what agents announce. It is safe for concurrent use.
type Presences struct {
	mu   sync.Mutex
	last map[string]subjects.Presence // by instance
}

func (p *Presences) add(_, instance string, q *subjects.Presence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[instance] = *q
}

// Find returns an instance whose last presence is ok, or "".
func (p *Presences) Find(ok func(subjects.Presence) bool) (instance string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, q := range p.last {
		if ok(q) {
			return i
		}
	}
	return ""
}

// Connect connects with the credentials in file. The caller closes the
// connection.
func (b *Broker) Connect(file string) *nats.Conn {
	b.t.Helper()
	roots := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: b.CA.Pool()}
	nc, err := natslink.Connect(b.t.Context(), natslink.ConnectOptions{Servers: []string{b.URL()}, CredsFile: file, TLS: roots})
	if err != nil {
		b.t.Fatal(err)
	}
	return nc
}

// Bridge connects a bridge, which is closed with the test.
func (b *Broker) Bridge() (*natslink.Bridge, *Presences) {
	b.t.Helper()
	file, _ := b.Creds(b.Bridges, "b1", time.Time{})
	nc := b.Connect(file)
	p := &Presences{last: make(map[string]subjects.Presence)}
	bridge, err := natslink.NewBridge(nc, natslink.BridgeConfig{ID: "b1", Stream: stream.Config{}, OnPresence: p.add})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = bridge.Close(); nc.Close() })
	return bridge, p
}

// IsUp reports whether a presence is that of an agent whose API server is [Kube].
func IsUp(p subjects.Presence) bool {
	return p.State == subjects.PresenceUp && p.Reachable && p.Kubernetes == "v1.34.4"
}

// Instances returns the instances that have been heard.
func (p *Presences) Instances() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.last))
}
