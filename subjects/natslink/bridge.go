package natslink

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/lane"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// BridgeConfig configures a [Bridge].
type BridgeConfig struct {
	// ID is the bridge's id, which is the name of the connection's user.
	ID string
	// Stream configures the engine; Handler must be nil.
	Stream stream.Config
	// OnPresence is called for each arriving presence, by one goroutine at a time.
	// It must not block. cluster and instance were checked by NATS and are DNS
	// labels; p is the agent's own claim. Presence does not affect open streams:
	// frames that were sent before a goodbye may be handled after it.
	OnPresence func(cluster, instance string, p *subjects.Presence)
	// OnAbsent is called when NATS reports that an instance with open streams, or one that
	// was checked, has no subscriber: its connection is lost, and may come back. After a
	// Query it may be called for all instances of a cluster, with instance "". It must not
	// block.
	OnAbsent func(cluster, instance string)
	// OnAnswer is called when an instance answers a Check, or a ping of the engine. It must
	// not block.
	OnAnswer func(cluster, instance string)
	// Logger gets the faults of peers. Default: discard.
	Logger *slog.Logger
}

// Bridge is the opening side on one tenant's connection. It is safe for
// concurrent use.
type Bridge struct {
	cfg   BridgeConfig
	nc    *nats.Conn
	ep    *stream.Endpoint
	subs  []*nats.Subscription
	watch *connWatch
	from  senders[*agentSender]
	// to holds the addresses of the instances that streams are opened to.
	to      addresses
	closing sync.Once
	// receiving is held for each frame: the lane and nats.go each have a goroutine.
	receiving sync.Mutex
	// complained is when a malformed presence was last logged, Unix nanoseconds.
	complained atomic.Int64
}

// NewBridge subscribes on nc, which serves no other Bridge or Agent and which the caller closes
// after Close.
func NewBridge(nc *nats.Conn, cfg BridgeConfig) (*Bridge, error) {
	if err := subjects.CheckName(cfg.ID); err != nil {
		return nil, fmt.Errorf("bridge id: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Bridge{cfg: cfg, nc: nc}
	sc := cfg.Stream
	sc.Handler = nil
	sc.Forgotten = b.forget
	sc.Absent = b.absent
	if sc.Logger == nil {
		sc.Logger = cfg.Logger
	}
	out := lane.NewPublisher(nc)
	b.ep = stream.New(sc, bridgeLink{out})
	lane.Of(nc).Take(b.sink)
	for subject, handle := range map[string]nats.MsgHandler{
		subjects.BridgeFrames(cfg.ID): b.onFrame,
		subjects.BridgePresence():     b.onPresence,
	} {
		sub, err := nc.Subscribe(subject, handle)
		if err != nil {
			unsubscribe(b.subs)
			b.ep.Close()
			return nil, fmt.Errorf("subscribe to %s: %w", subject, err)
		}
		b.subs = append(b.subs, sub)
	}
	b.watch = watchConn(nc, out, b.ep, nil)
	return b, nil
}

// Open opens a stream to an instance; see [stream.Endpoint.Open]. If the
// instance has no subscriber, the stream ends with CodeNoInstance.
func (b *Bridge) Open(ctx context.Context, cluster, instance string, first []byte, fin bool) (*stream.Stream, error) {
	if to := b.to.get(cluster, instance); to != "" {
		return b.ep.Open(ctx, to, first, fin)
	}
	if err := checkNames(cluster, instance); err != nil {
		return nil, err
	}
	to := subjects.Down(cluster, instance, b.cfg.ID)
	s, err := b.ep.Open(ctx, to, first, fin)
	if err == nil { // there is a peer now, so forget will be called for it
		b.to.keep(cluster, instance, to)
	}
	return s, err
}

// ResetStreams resets all streams to the instances of a cluster, or of every
// cluster if it is "". A stream that is opened meanwhile may be missed.
func (b *Bridge) ResetStreams(cluster string, code subjects.Code, detail string) {
	b.ep.ResetStreams(func(to string) bool {
		c, _, _, ok := subjects.ParseDown(to)
		return cluster == "" || ok && c == cluster
	}, code, detail)
}

// Query asks all instances of a cluster for their presence. If the cluster has no
// instances, OnAbsent is called at once.
func (b *Bridge) Query(cluster string) error { return b.ask(cluster, nil) }

// Check asks the broker whether an instance is still connected. If it is not, OnAbsent is
// called at once; if it is, the instance answers: see OnAnswer and [Bridge.Heard].
func (b *Bridge) Check(cluster, instance string) error {
	if err := checkNames(cluster, instance); err != nil {
		return err
	}
	to := subjects.Down(cluster, instance, b.cfg.ID)
	if err := b.nc.PublishRequest(to, subjects.NoRespondersOf(to, 0), b.ep.Ping()); err != nil {
		return fmt.Errorf("check %s of %s: %w", instance, cluster, err)
	}
	return nil
}

// Heard reports whether an instance to which this bridge has opened streams has sent
// anything within the given time, or is new to it.
func (b *Bridge) Heard(cluster, instance string, within time.Duration) bool {
	return b.ep.Heard(subjects.Down(cluster, instance, b.cfg.ID), within)
}

// SendSettings sends a message of package settings to all instances of a cluster, each of
// which announces its presence once it has dealt with it. Instances that know of no
// settings take it for a query, and get no other by it. It may be lost as a query may.
func (b *Bridge) SendSettings(cluster string, message []byte) error { return b.ask(cluster, message) }

func (b *Bridge) ask(cluster string, message []byte) error {
	if err := subjects.CheckName(cluster); err != nil {
		return fmt.Errorf("cluster %w", err)
	}
	reply := subjects.NoResponders(b.cfg.ID, cluster, "", 0)
	if err := b.nc.PublishRequest(subjects.DownAll(cluster, b.cfg.ID), reply, message); err != nil {
		return fmt.Errorf("query presence of %s: %w", cluster, err)
	}
	return nil
}

// Streams returns how many streams are open.
func (b *Bridge) Streams() int { return b.ep.Streams() }

// Stats returns the engine's counts.
func (b *Bridge) Stats() stream.Stats { return b.ep.Stats() }

// Close resets all streams and unsubscribes. The connection stays open.
func (b *Bridge) Close() error {
	b.closing.Do(func() {
		b.watch.stop()
		b.ep.Close()
		unsubscribe(b.subs)
		lane.Of(b.nc).Take(nil)
		flush(b.nc)
	})
	return nil
}

// checkNames keeps a name that is not a DNS label out of a subject.
func checkNames(cluster, instance string) error {
	if err := subjects.CheckName(cluster); err != nil {
		return fmt.Errorf("cluster %w", err)
	}
	if err := subjects.CheckName(instance); err != nil {
		return fmt.Errorf("instance %w", err)
	}
	return nil
}

// agentSender is an instance that frames arrive from.
type agentSender struct {
	b                 *Bridge
	peer              *stream.Peer
	cluster, instance string
}

// Receive implements [lane.Sink].
func (s *agentSender) Receive(frame []byte) {
	if isPong(frame) && s.b.cfg.OnAnswer != nil {
		s.b.cfg.OnAnswer(s.cluster, s.instance)
	}
	s.b.receiving.Lock()
	defer s.b.receiving.Unlock()
	s.b.ep.Receive(s.peer, frame)
}

// isPong reports whether a frame is a PONG, of whichever version.
func isPong(frame []byte) bool {
	return len(frame) > 0 && subjects.FrameType(frame[0]&0x0f) == subjects.FramePong
}

// sink returns who sends to a subject; nil if that is not an instance with a peer.
func (b *Bridge) sink(subject []byte) lane.Sink {
	if s := b.sender(subject); s != nil {
		return s
	}
	return nil
}

// sender returns the sender of a frame, nil if it is unknown. Only instances to which this
// bridge has opened streams are remembered: agents choose their instance names, and must not
// fill our memory with them.
func (b *Bridge) sender(subject []byte) *agentSender {
	if s := b.from.get(subject); s != nil {
		return s
	}
	up := string(subject)
	bridge, cluster, instance, ok := subjects.ParseUp(up)
	if !ok || bridge != b.cfg.ID {
		return nil
	}
	to := subjects.Down(cluster, instance, bridge)
	p := b.ep.Peer(to)
	if p == nil {
		return nil
	}
	s := &agentSender{b, p, cluster, instance}
	b.from.keep(up, s)
	if b.ep.Peer(to) != p { // forgotten just now
		b.from.drop(up, s)
	}
	return s
}

// onFrame handles what the lane has left to nats.go: frames of unknown senders, NATS's answers
// that an instance has no subscriber, and everything where there is no lane.
func (b *Bridge) onFrame(m *nats.Msg) {
	if s := b.sender([]byte(m.Subject)); s != nil {
		s.Receive(m.Data)
		return
	}
	if bridge, cluster, instance, ok := subjects.ParseUp(m.Subject); ok {
		if isPong(m.Data) && bridge == b.cfg.ID && b.cfg.OnAnswer != nil {
			b.cfg.OnAnswer(cluster, instance) // the answer to a Check
		}
		return
	}
	if bridge, cluster, instance, id, ok := subjects.ParseNoResponders(m.Subject); ok &&
		bridge == b.cfg.ID && saysNoResponders(m) {
		to := ""
		if instance != "" {
			to = subjects.Down(cluster, instance, bridge)
		}
		switch {
		case instance != "" && (id != 0 || b.ep.Peer(to) != nil):
			b.ep.NoResponders(to, id)
		case b.cfg.OnAbsent != nil:
			b.cfg.OnAbsent(cluster, instance) // the answer to a Query or a Check
		}
	}
}

func (b *Bridge) onPresence(m *nats.Msg) {
	_, cluster, instance, ok := subjects.ParseUp(m.Subject)
	if !ok || b.cfg.OnPresence == nil {
		return
	}
	p, err := subjects.ParsePresence(m.Data)
	if err != nil {
		// An agent can send any number of these, so one line a minute is logged.
		if now, last := time.Now().UnixNano(), b.complained.Load(); now-last > int64(time.Minute) && b.complained.CompareAndSwap(last, now) {
			b.cfg.Logger.Warn("presence dropped; more are not logged for a minute", "cluster", cluster, "instance", instance, "error", err)
		}
		return
	}
	b.cfg.OnPresence(cluster, instance, p)
}

// bridgeLink publishes frames.
type bridgeLink struct{ out *lane.Publisher }

func (l bridgeLink) Send(to string, msg []byte) error { return l.out.Publish(to, "", msg) }

func (l bridgeLink) SendOpen(to string, id uint64, msg []byte) error {
	return l.out.Publish(to, subjects.NoRespondersOf(to, id), msg)
}

// forget drops an instance that the engine has forgotten.
func (b *Bridge) forget(to string) {
	if cluster, instance, bridge, ok := subjects.ParseDown(to); ok {
		b.from.forget(subjects.Up(bridge, cluster, instance))
		b.to.forget(cluster, instance)
	}
}

// absent reports that an instance has no subscriber.
func (b *Bridge) absent(to string) {
	if cluster, instance, _, ok := subjects.ParseDown(to); ok && b.cfg.OnAbsent != nil {
		b.cfg.OnAbsent(cluster, instance)
	}
}
