package natslink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/lane"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// AgentConfig configures an [Agent].
type AgentConfig struct {
	// Cluster is the cluster's name, which is the name of the connection's user.
	Cluster string
	// Instance is this process's id, from subjects.NewID('a').
	Instance string
	// Stream configures the engine; Handler serves the streams.
	Stream stream.Config
	// Presence returns the presence to announce; Protocol, State and Streams are
	// filled in and, if it has a detail, what that says of the connection. It must not
	// block.
	Presence func() subjects.Presence
	// Settings gets what a bridge sends with a query for presence: see package settings.
	// It must neither block nor keep the bytes, and calls [Agent.Announce] once it is
	// done with them. Nil: only the presence is announced.
	Settings func(message []byte)
	// Logger gets the faults of peers. Default: discard.
	Logger *slog.Logger
}

// Agent is the accepting side of one instance. It is safe for concurrent use.
type Agent struct {
	cfg  AgentConfig
	nc   atomic.Pointer[nats.Conn]      // presence is sent there
	out  atomic.Pointer[lane.Publisher] // frames are; on the same connection
	ep   *stream.Endpoint
	from senders[*bridgeSender]

	// receiving is held for each frame: the lane and nats.go each have a goroutine, and during
	// a move there are two connections.
	receiving sync.Mutex

	mu     sync.Mutex // held while the connection changes; guards the next three fields
	subs   []*nats.Subscription
	watch  *connWatch
	closed bool

	path pathToBroker

	state    atomic.Value // subjects.PresenceState
	announce chan struct{}
	// A token in fresh is as one in announce, and says that the connection is new; one in
	// unmeasured says that its round trip is not known.
	fresh, unmeasured chan struct{}

	done    chan struct{}
	wg      sync.WaitGroup
	closing chan struct{} // closed once Close is called
	close   func()        // closes it
}

// NewAgent subscribes on nc, which serves no other Bridge or Agent and which the caller closes
// after Close, and begins to announce the instance.
func NewAgent(nc *nats.Conn, cfg AgentConfig) (*Agent, error) {
	if err := errors.Join(subjects.CheckName(cfg.Cluster), subjects.CheckName(cfg.Instance)); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	if cfg.Stream.Handler == nil || cfg.Presence == nil {
		return nil, errors.New("agent: no handler or no presence given")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Agent{cfg: cfg, announce: make(chan struct{}, 1), fresh: make(chan struct{}, 1), unmeasured: make(chan struct{}, 1), done: make(chan struct{}), closing: make(chan struct{})}
	a.close = sync.OnceFunc(func() { close(a.closing) })
	a.state.Store(subjects.PresenceUp)
	sc := cfg.Stream
	sc.Forgotten = a.forget
	if sc.Logger == nil {
		sc.Logger = cfg.Logger
	}
	a.use(nc)
	a.ep = stream.New(sc, agentLink{&a.out})
	var err error
	if a.subs, err = a.subscribe(nc); err != nil {
		a.ep.Close()
		return nil, err
	}
	a.watch = watchConn(nc, a.out.Load(), a.ep, a.onUp)
	// Not announced before it can be reached.
	a.wg.Go(a.heartbeat)
	a.wg.Go(a.measure)
	a.arrived()
	return a, nil
}

// use has everything sent on nc from now on.
func (a *Agent) use(nc *nats.Conn) {
	a.nc.Store(nc)
	a.out.Store(lane.NewPublisher(nc))
	a.path.connected()
}

func (a *Agent) subscribe(nc *nats.Conn) ([]*nats.Subscription, error) {
	var subs []*nats.Subscription
	lane.Of(nc).Take(a.sink)
	for subject, handle := range map[string]nats.MsgHandler{
		subjects.AgentFrames(a.cfg.Cluster, a.cfg.Instance): a.onFrame,
		subjects.AgentQueries(a.cfg.Cluster):                a.onQuery,
	} {
		sub, err := nc.Subscribe(subject, handle)
		if err != nil {
			unsubscribe(subs)
			return nil, fmt.Errorf("subscribe to %s: %w", subject, err)
		}
		subs = append(subs, sub)
	}
	return subs, nil
}

// Streams returns how many streams are served.
func (a *Agent) Streams() int { return a.ep.Streams() }

// SetMaxStreams replaces the MaxStreams of the configuration; 0 stands for the protocol's
// limit. Streams that are open go on.
func (a *Agent) SetMaxStreams(n int) { a.ep.SetMaxStreams(n) }

// Drain announces that the instance takes no more streams, refuses new ones with
// CodeDraining, and returns when the running ones have ended, or with the error of
// ctx.
func (a *Agent) Drain(ctx context.Context) error {
	a.state.Store(subjects.PresenceDraining)
	a.Announce()
	a.ep.Refuse(subjects.CodeDraining)
	if err := a.ep.Wait(ctx); err != nil {
		return fmt.Errorf("drain: %d streams left: %w", a.ep.Streams(), err)
	}
	return nil
}

// Close unsubscribes, resets the remaining streams with CodeShutdown and announces
// PresenceBye. It returns when all handlers have returned. The connection stays
// open.
func (a *Agent) Close() error {
	a.close()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	a.closed = true
	a.state.Store(subjects.PresenceBye)
	// Frames that have arrived are still answered, so that no opener waits.
	a.ep.Refuse(subjects.CodeDraining)
	nc := a.nc.Load()
	drained := drain(nc, a.subs)
	a.watch.stop()
	a.ep.Close()
	lane.Of(nc).Take(nil)
	close(a.done)
	a.wg.Wait()
	a.sendPresence(nc)
	if drained { // otherwise the broker does not answer
		flush(nc)
	}
	return nil
}

// onQuery handles a query for presence, which may bring settings.
func (a *Agent) onQuery(m *nats.Msg) {
	if len(m.Data) > 0 && a.cfg.Settings != nil {
		a.cfg.Settings(m.Data)
		return
	}
	a.Announce()
}

// bridgeSender is a bridge that frames arrive from.
type bridgeSender struct {
	a    *Agent
	peer *stream.Peer
}

// Receive implements [lane.Sink].
func (s *bridgeSender) Receive(frame []byte) {
	s.a.receiving.Lock()
	defer s.a.receiving.Unlock()
	s.a.ep.Receive(s.peer, frame)
}

// onFrame handles what the lane has left to nats.go: NATS's answers that a bridge has no
// subscriber, and everything where there is no lane.
func (a *Agent) onFrame(m *nats.Msg) {
	if s := a.sender([]byte(m.Subject)); s != nil {
		s.Receive(m.Data)
		return
	}
	a.onNoBridge(m)
}

// onNoBridge handles NATS's answer that a bridge has no subscriber.
func (a *Agent) onNoBridge(m *nats.Msg) {
	if _, _, bridge, ok := subjects.ParseNoBridge(m.Subject); ok && saysNoResponders(m) {
		a.receiving.Lock()
		defer a.receiving.Unlock()
		a.ep.NoResponders(subjects.Up(bridge, a.cfg.Cluster, a.cfg.Instance), 0)
	}
}

// saysNoResponders reports whether m is NATS's answer to a message without a
// subscriber.
func saysNoResponders(m *nats.Msg) bool {
	return len(m.Data) == 0 && m.Header.Get("Status") == "503"
}

// sink returns who sends to a subject; nil if that is not a bridge.
func (a *Agent) sink(subject []byte) lane.Sink {
	if s := a.sender(subject); s != nil {
		return s
	}
	return nil
}

// sender returns the bridge that a frame with this subject is from. It returns nil
// if the subject is another one, or if there is no room for one more bridge.
func (a *Agent) sender(subject []byte) *bridgeSender {
	if s := a.from.get(subject); s != nil {
		return s
	}
	down := string(subject)
	_, instance, bridge, ok := subjects.ParseDown(down)
	if !ok || instance == "" { // a query
		return nil
	}
	to := subjects.Up(bridge, a.cfg.Cluster, a.cfg.Instance)
	p := a.ep.AddPeer(to)
	if p == nil {
		return nil
	}
	s := &bridgeSender{a, p}
	a.from.keep(down, s)
	if a.ep.Peer(to) != p { // forgotten just now
		a.from.drop(down, s)
	}
	return s
}

// forget drops a bridge that the engine has forgotten.
func (a *Agent) forget(to string) {
	if bridge, cluster, instance, ok := subjects.ParseUp(to); ok {
		a.from.forget(subjects.Down(cluster, instance, bridge))
	}
}

// agentLink publishes frames. An agent opens no streams.
type agentLink struct {
	out *atomic.Pointer[lane.Publisher]
}

func (l agentLink) Send(to string, msg []byte) error { return l.out.Load().Publish(to, "", msg) }

func (l agentLink) SendOpen(to string, _ uint64, msg []byte) error {
	return l.out.Load().Publish(to, subjects.NoBridge(to), msg)
}
