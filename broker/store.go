package broker

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// storeStartTimeout is how long a node that starts may be unready for the sake of its
// store. An election takes a few seconds, and catching up with the others at most tens.
// A node that waited longer would keep agents away for the sake of a store that may
// need nodes which do not come back.
const storeStartTimeout = 30 * time.Second

// storeStopTimeout bounds the wait of a node that stops for requests to JetStream that it
// works at. Each takes milliseconds: making a stream, the longest, creates its files.
const storeStopTimeout = time.Second

// storeSyncInterval is how much later than its acknowledgement a write may be on the disk
// of a node in a cluster, where other nodes have it too.
const storeSyncInterval = time.Second

// store switches JetStream on, on disk only: the platform's account has no memory. It
// needs to know the routes and gateways.
func (c *Config) store(o *server.Options) error {
	if c.StoreDir != "" {
		o.JetStream, o.StoreDir, o.JetStreamMaxStore = true, c.StoreDir, c.StoreMax
	}
	if !o.JetStream {
		return nil
	}
	setIfZero(&o.JetStreamMaxStore, DefaultStoreMax)
	o.JetStreamMaxMemory = 1 // 0 would be three quarters of the host's
	o.DisableJetStreamBanner = true
	// nats-server leaves a write in the kernel's memory for up to two minutes.
	clustered := clustered(o)
	o.SyncAlways = !clustered // its disk is all there is
	o.SyncInterval = storeSyncInterval
	if clustered {
		return refuseStandalone(o.StoreDir)
	}
	return nil
}

// clustered reports whether nats-server keeps streams as a cluster does: a node that is
// alone in its region does so too.
func clustered(o *server.Options) bool { return o.Cluster.Port != 0 || o.Gateway.Port != 0 }

// refuseStandalone refuses the directory of a node that was not in a cluster: half a
// minute after a start in one, nats-server removes streams that the cluster does not know.
func refuseStandalone(dir string) error {
	meta, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "_js_", "_meta_"))
	if err != nil {
		return fmt.Errorf("store-dir: %w", err)
	}
	streams, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*"))
	if err != nil {
		return fmt.Errorf("store-dir: %w", err)
	}
	if len(meta) > 0 || len(streams) == 0 {
		return nil
	}
	return fmt.Errorf("store-dir: %s was written by a broker without routes or gateways, and a cluster would remove its streams: "+
		"name an empty directory; docs/store.md says how to bring the streams along", dir)
}

// StoreStatus says in one line how the node's part of the shared store is, "" if it has
// none. The error is why the store cannot be used now, as this node sees it. A node
// whose store has failed goes on serving agents and bridges.
func (b *Broker) StoreStatus() (string, error) {
	if !b.store {
		return "", nil
	}
	info, err := b.server.Jsz(&server.JSzOptions{Streams: true})
	switch {
	case err != nil:
		return "", fmt.Errorf("store: %w", err)
	case info.Disabled:
		return "", errors.New("store: JetStream has been switched off by the server: the log says why")
	case b.clustered && (info.Meta == nil || !b.hasQuorum(info.Meta.Leader, info.Meta.Replicas)):
		return "", errors.New("store: no leader: more than half of the brokers must be connected to each other")
	}
	streams := b.streamsOf(info)
	if len(streams.leaderless) > 0 {
		return "", fmt.Errorf("store: no leader of %s: more than half of the brokers that keep it must be connected to each other", strings.Join(streams.leaderless, ", "))
	}
	count := fmt.Sprintf("%d streams", info.Streams)
	if info.Streams == 1 {
		count = "1 stream"
	}
	text := fmt.Sprintf("store has %s, %d bytes of at most %d", count, info.Store, info.Config.MaxStore)
	if streams.behind > 0 {
		text += fmt.Sprintf("; %d copies on other brokers are behind or offline", streams.behind)
	}
	return text, nil
}

// storeStarting says what a node that has just started still waits for. Once the store
// has been whole, or [storeStartTimeout] is over, it never waits again: without this a
// rolling restart could stop the second node before the first has caught up, and the
// store would be without a quorum.
func (b *Broker) storeStarting() error {
	if !b.store || b.storeUp.Load() {
		return nil
	}
	_, err := b.StoreStatus()
	if err == nil {
		err = b.loadPlatform()
	}
	if err == nil {
		if health := b.server.Healthz(nil); health.Error != "" {
			err = fmt.Errorf("store: catching up: %s", health.Error)
		}
	}
	if err == nil || time.Since(b.started) > storeStartTimeout {
		b.storeUp.Store(true)
		return nil
	}
	return err
}

// loadPlatform gives the platform's account its JetStream on this node. nats-server would
// do it when the first user comes, and tells others who come meanwhile that the account
// has none: interest of users of another node makes an account known as an expired one,
// and the first request that finds it so updates it, with JetStream as one of the last
// things (Server.updateAccountClaims), while a second one takes it for whole.
func (b *Broker) loadPlatform() error {
	if !b.store || b.platform == "" {
		return nil
	}
	account, err := b.server.LookupAccount(b.platform)
	if err != nil {
		return fmt.Errorf("store: account of the platform: %w", err)
	}
	if !account.JetStreamEnabled() {
		return errors.New("store: the account of the platform has no JetStream on this broker yet")
	}
	return nil
}

// settleStore waits until JetStream has done what it was asked, for at most
// [storeStopTimeout]: nats-server does not wait, and streams that it makes meanwhile come
// behind its end, half of them on the disk, and their goroutines stay.
func (b *Broker) settleStore() {
	if !b.store {
		return
	}
	for deadline := time.Now().Add(storeStopTimeout); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		info, err := b.server.Jsz(nil)
		if err != nil || info.Disabled || info.API.Inflight == 0 {
			return
		}
	}
}

// hasQuorum reports whether a group has a leader with more than half of its members. A
// leader that has lost the others keeps its office for 10 s more: nats-server is then
// asked who is connected.
func (b *Broker) hasQuorum(leader string, others []*server.PeerInfo) bool {
	if leader != b.Name() {
		return leader != ""
	}
	connected := 1
	for _, p := range others {
		if !p.Offline {
			connected++
		}
	}
	return connected > (len(others)+1)/2
}

// streamStates is how the streams are that a node keeps.
type streamStates struct {
	leaderless []string
	behind     int // copies of the streams that this node leads
}

func (b *Broker) streamsOf(info *server.JSInfo) (s streamStates) {
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			if stream.Cluster == nil {
				continue // of a node by itself
			}
			if !b.hasQuorum(stream.Cluster.Leader, stream.Cluster.Replicas) {
				s.leaderless = append(s.leaderless, stream.Name)
			}
			if stream.Cluster.Leader != b.Name() {
				continue // the leader alone knows how far the others are
			}
			for _, r := range stream.Cluster.Replicas {
				if r.Offline || !r.Current {
					s.behind++
				}
			}
		}
	}
	return s
}
