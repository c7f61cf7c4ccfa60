package broker

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
)

// store switches JetStream on or off, whatever a NATS configuration file says of its
// memory: only the platform's account may use it, and that has none.
func (c *Config) store(o *server.Options) {
	if c.StoreDir == "" {
		return
	}
	o.JetStream, o.StoreDir, o.DisableJetStreamBanner = true, c.StoreDir, true
	o.JetStreamMaxMemory = 1 // 0 would be three quarters of the host's
	if o.JetStreamMaxStore = c.StoreMax; c.StoreMax == 0 {
		o.JetStreamMaxStore = DefaultStoreMax
	}
}

// StoreStatus says in one line how the node's part of the shared store is, "" if it has
// none, and why it is of no use now. A node whose store has failed goes on serving
// agents and bridges.
func (b *Broker) StoreStatus() (string, error) {
	if !b.store {
		return "", nil
	}
	info, err := b.server.Jsz(nil)
	switch {
	case err != nil:
		return "", fmt.Errorf("store: %w", err)
	case info.Disabled:
		return "", errors.New("store: JetStream has been switched off by the server: the log says why")
	case b.RoutesAddr() != "" && (info.Meta == nil || info.Meta.Leader == ""):
		return "", errors.New("store: no leader: fewer than half of the nodes are connected to each other")
	}
	streams := fmt.Sprintf("%d streams", info.Streams)
	if info.Streams == 1 {
		streams = "1 stream"
	}
	return fmt.Sprintf("store has %s, %d bytes of at most %d", streams, info.Store, info.Config.MaxStore), nil
}
