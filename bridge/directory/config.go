package directory

import (
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// Config configures a [Directory]. The zero value of each field is its
// documented default.
type Config struct {
	// Query asks all instances of a cluster for their presence. It must not
	// block. Nil: no queries are sent.
	Query func(cluster string) error
	// Clusters, if not nil, is the complete list of the tenant's clusters: any
	// other name is unknown. Nil: every name may connect at some time.
	// [Directory.SetClusters] changes it.
	Clusters []string
	// PeerTimeout is the silence after which an instance is presumed gone.
	// Default 10 s. Running streams wait longer for an instance that may come back
	// (subjects.PeerTimeout); new requests have others to go to, or fail.
	PeerTimeout time.Duration
	// OpenTimeout is how long requests wait for the link while it is being
	// opened, counted from [Directory.Opening]. Default 5 s.
	OpenTimeout time.Duration
	// ReconnectGrace is how long new requests wait for a cluster whose last
	// instance vanished without a goodbye, counted from when that was noticed
	// or, if earlier, from when the instance should next have been heard; and
	// for a link that was lost. Default 4 s; negative: not at all.
	ReconnectGrace time.Duration
	// FirstContact is how long the first request for a cluster that was not
	// heard over this link waits for an answer to the query. Default 250 ms.
	FirstContact time.Duration
	// ForgetAfter is how long an offline cluster stays in the directory, so
	// that one that was removed for good does not stay for ever. The configured
	// Clusters are never forgotten. Default 24 h.
	ForgetAfter time.Duration
}

const (
	// defaultPeerTimeout is two heartbeats: one may be lost.
	defaultPeerTimeout = 2 * subjects.HeartbeatInterval
	// defaultOpenTimeout covers a slow TLS handshake and a broker node or two
	// that do not answer.
	defaultOpenTimeout = 5 * time.Second
	// defaultGrace is ample for agents to reconnect to another broker node, and
	// still short enough that a cluster whose credential was revoked is offline
	// within 5 s.
	defaultGrace        = 4 * time.Second
	defaultFirstContact = 250 * time.Millisecond
)

// DefaultForgetAfter is the default of [Config].ForgetAfter.
const DefaultForgetAfter = 24 * time.Hour

func (c Config) withDefaults() Config {
	if c.PeerTimeout <= 0 {
		c.PeerTimeout = defaultPeerTimeout
	}
	if c.OpenTimeout <= 0 {
		c.OpenTimeout = defaultOpenTimeout
	}
	if c.ReconnectGrace == 0 {
		c.ReconnectGrace = defaultGrace
	}
	c.ReconnectGrace = max(c.ReconnectGrace, 0)
	if c.FirstContact <= 0 {
		c.FirstContact = defaultFirstContact
	}
	if c.ForgetAfter <= 0 {
		c.ForgetAfter = DefaultForgetAfter
	}
	if c.Query == nil {
		c.Query = func(string) error { return nil }
	}
	return c
}
