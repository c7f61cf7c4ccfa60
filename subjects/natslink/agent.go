package natslink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
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
	// Presence says what to announce; Protocol, State and Streams are filled
	// in. It must not block.
	Presence func() subjects.Presence
	// Logger gets the faults of peers. Default: discard.
	Logger *slog.Logger
}

// Agent is the accepting side of one instance. It is safe for concurrent use.
type Agent struct {
	cfg  AgentConfig
	nc   atomic.Pointer[nats.Conn] // what is sent goes there
	ep   *stream.Endpoint
	from sync.Map // subject of arriving frames -> the *stream.Peer that sends there

	// receiving orders the frames of two connections, while both bring them.
	receiving sync.Mutex

	mu     sync.Mutex // held while the connection changes; guards what follows
	subs   []*nats.Subscription
	watch  *connWatch
	closed bool

	state    atomic.Value // subjects.PresenceState
	announce chan struct{}
	done     chan struct{}
	wg       sync.WaitGroup
	leaving  chan struct{} // closed once Close is called
	leave    sync.Once
}

// NewAgent subscribes on nc, which the caller closes after Close, and begins
// to announce the instance.
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
	a := &Agent{cfg: cfg, announce: make(chan struct{}, 1), done: make(chan struct{}), leaving: make(chan struct{})}
	a.state.Store(subjects.PresenceUp)
	sc := cfg.Stream
	sc.Forgotten = a.forget
	if sc.Logger == nil {
		sc.Logger = cfg.Logger
	}
	a.nc.Store(nc)
	a.ep = stream.New(sc, agentLink{&a.nc})
	a.watch = watchConn(nc, a.ep, a.Announce)
	var err error
	if a.subs, err = a.subscribe(nc); err != nil {
		_ = a.Close()
		return nil, err
	}
	// Announced only now that it can be reached.
	a.wg.Go(a.heartbeat)
	a.Announce()
	return a, nil
}

func (a *Agent) subscribe(nc *nats.Conn) ([]*nats.Subscription, error) {
	var subs []*nats.Subscription
	for subject, handle := range map[string]nats.MsgHandler{
		subjects.AgentFrames(a.cfg.Cluster, a.cfg.Instance): a.onFrame,
		subjects.AgentQueries(a.cfg.Cluster):                func(*nats.Msg) { a.Announce() },
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

// confirmTimeout bounds how long a broker may take to answer what it is sent
// first: many round trips of the slowest path.
const confirmTimeout = 2 * time.Second

// Confirm waits until the broker has accepted the subscriptions and a presence.
// It refuses them to credentials of another role, although these are good for a
// connection.
func (a *Agent) Confirm() error { return a.confirm(a.nc.Load()) }

func (a *Agent) confirm(nc *nats.Conn) error {
	a.sendPresence(nc)
	if err := nc.FlushTimeout(confirmTimeout); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) {
		return fmt.Errorf("subscribe and announce: %w", err)
	}
	return nil
}

// overlap is how long both connections are subscribed when the agent moves. A
// broker that has just looked up the subscribers does not know the new one yet,
// and other nodes of its cluster learn of it a little later: without the overlap
// they could find no subscriber.
const overlap = time.Second

// Move changes to another connection, with all streams. While the old one works,
// nothing is lost and no stream waits: the new one is subscribed before the old
// one is unsubscribed, and the engine drops what it gets twice. After Move has
// returned without an error the old connection is no longer used, and the caller
// closes it; after an error everything is as before.
func (a *Agent) Move(nc *nats.Conn) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return errors.New("move to another connection: agent is closed")
	}
	subs, err := a.subscribe(nc)
	if err != nil {
		return fmt.Errorf("move to another connection: %w", err)
	}
	if err := a.confirm(nc); err != nil {
		unsubscribe(subs)
		return fmt.Errorf("move to another connection: %w", err)
	}
	oldConn, oldSubs := a.nc.Load(), a.subs
	a.watch.stop() // it would take the end of the old one for a loss
	a.nc.Store(nc)
	a.subs = subs
	a.ep.LinkUp() // what was under way on the old one may come late or be lost
	a.watch = watchConn(nc, a.ep, a.Announce)
	a.Announce()
	if oldConn.IsConnected() {
		select {
		case <-time.After(overlap):
		case <-a.leaving:
		}
	}
	drain(oldConn, oldSubs)
	return nil
}

// Announce has presence sent now. It does not wait.
func (a *Agent) Announce() {
	select {
	case a.announce <- struct{}{}:
	default:
	}
}

// Streams returns how many streams are served.
func (a *Agent) Streams() int { return a.ep.Streams() }

// Drain announces that the instance takes no more streams, refuses new ones
// with CodeDraining, and returns when the running ones have ended, or with
// ctx's error.
func (a *Agent) Drain(ctx context.Context) error {
	a.state.Store(subjects.PresenceDraining)
	a.Announce()
	a.ep.Refuse(subjects.CodeDraining)
	if err := a.ep.Wait(ctx); err != nil {
		return fmt.Errorf("drain: %d streams left: %w", a.ep.Streams(), err)
	}
	return nil
}

// Close unsubscribes, resets what is left with CodeShutdown and says goodbye.
// It returns when all handlers have returned. The connection stays open.
func (a *Agent) Close() error {
	a.leave.Do(func() { close(a.leaving) })
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	a.closed = true
	a.state.Store(subjects.PresenceBye)
	// What has arrived is still answered: otherwise its openers would wait.
	a.ep.Refuse(subjects.CodeDraining)
	nc := a.nc.Load()
	drained := drain(nc, a.subs)
	a.watch.stop()
	a.ep.Close()
	close(a.done)
	a.wg.Wait()
	a.sendPresence(nc)
	if drained { // otherwise the broker does not answer, and would not now
		flush(nc)
	}
	return nil
}

func (a *Agent) onFrame(m *nats.Msg) {
	p := a.sender(m.Subject)
	if p == nil {
		return
	}
	a.receiving.Lock()
	defer a.receiving.Unlock()
	a.ep.Receive(p, m.Data)
}

// sender returns the bridge that sent to a subject, nil for a subject that is
// not well formed and when there is no room for one more bridge.
func (a *Agent) sender(subject string) *stream.Peer {
	if p, ok := a.from.Load(subject); ok {
		return p.(*stream.Peer)
	}
	_, _, bridge, ok := subjects.ParseDown(subject)
	if !ok {
		return nil
	}
	to := subjects.Up(bridge, a.cfg.Cluster, a.cfg.Instance)
	p := a.ep.Peer(to)
	if p == nil {
		return nil
	}
	a.from.Store(subject, p)
	if a.ep.Known(to) != p { // forgotten just now
		a.from.CompareAndDelete(subject, p)
	}
	return p
}

// forget drops a bridge that the engine has forgotten.
func (a *Agent) forget(to string) {
	if bridge, cluster, instance, ok := subjects.ParseUp(to); ok {
		a.from.Delete(subjects.Down(cluster, instance, bridge))
	}
}

func (a *Agent) heartbeat() {
	t := time.NewTicker(subjects.HeartbeatInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-a.announce:
		case <-a.done:
			return
		}
		a.sendPresence(a.nc.Load())
	}
}

func (a *Agent) sendPresence(nc *nats.Conn) {
	p := a.cfg.Presence()
	p.Protocol = [2]int{subjects.MinVersion, subjects.Version}
	p.State = a.state.Load().(subjects.PresenceState)
	p.Streams = a.ep.Streams()
	b, err := subjects.AppendPresence(nil, &p)
	if err != nil {
		a.cfg.Logger.Error("presence not sent", "error", err)
		return
	}
	// If the connection is down, presence is sent when it is back.
	_ = nc.Publish(subjects.UpAll(a.cfg.Cluster, a.cfg.Instance), b)
}

// agentLink publishes frames. An agent opens no streams.
type agentLink struct{ nc *atomic.Pointer[nats.Conn] }

func (l agentLink) Send(to string, msg []byte) error { return l.nc.Load().Publish(to, msg) }

func (l agentLink) SendOpen(to string, _ uint64, msg []byte) error { return l.Send(to, msg) }
