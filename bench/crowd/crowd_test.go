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
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/agent/link"
	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/fairlead-io/fairlead/test/harness.startOnOneThread"))
}

// raceDetector is set in builds with the race detector, with which TLS takes ten times
// as long.
var raceDetector bool

const (
	agents = 1000
	// bound is by when all agents must be back after the start of their broker.
	bound = 15 * time.Second
	// longOutage is after which the pauses between attempts have grown to their most.
	longOutage = 10 * time.Second
)

// TestBrokerRestart: half of the agents use tls:// and half wss://. After a short
// outage they come almost at once, after a long one each when its pause ends.
func TestBrokerRestart(t *testing.T) {
	if os.Getenv("FAIRLEAD_CROWD") == "" || raceDetector {
		t.Skip("needs two cores for itself, without the race detector: run 'make crowd'")
	}
	f := newFleet(t, broker.DefaultMaxConnects)
	f.add(agents)
	f.wait(agents, 2*bound)
	for _, outage := range []time.Duration{500 * time.Millisecond, longOutage} {
		f.broker.Shutdown()
		f.wait(0, bound)
		time.Sleep(outage)
		f.start()
		began := time.Now()
		last := f.wait(agents, 2*bound)
		took := last.Sub(began)
		admitted, refused := f.counters()
		t.Logf("after %v: all are back in %.1f s, at most %d admitted in a second, %d refused",
			outage, took.Seconds(), f.most(), refused)
		if took > bound {
			t.Errorf("after %v: the last of %d agents is back after %v, want at most %v", outage, agents, took, bound)
		}
		if f.most() > broker.DefaultMaxConnects {
			t.Errorf("after %v: %d connections were admitted in one second, want at most %d", outage, f.most(), broker.DefaultMaxConnects)
		}
		if admitted < agents {
			t.Errorf("after %v: only %d were admitted, so that the count is wrong", outage, admitted)
		}
	}
}

// TestRefusedAgentsSayWhy: agents that are turned away, on either port, report the
// rate limit and do not call again at once.
func TestRefusedAgentsSayWhy(t *testing.T) {
	const few = 40
	f := newFleet(t, 1)
	began := time.Now()
	f.add(few)
	seen := map[string]bool{}
	eventually.Within(t, bound, "the reason of refused agents", func() error {
		reasons := f.reasons()
		for reason := range reasons {
			if scheme, _, _ := strings.Cut(reason, " "); strings.Contains(reason, "too many connections at a time") {
				seen[scheme] = true
			}
		}
		if !seen["tls"] || !seen["wss"] {
			return fmt.Errorf("they report %v", reasons)
		}
		return nil
	})
	took := time.Since(began).Seconds()
	// A pause of up to 3.2 s is 1.6 s long on average.
	if _, refused := f.counters(); float64(refused) > few*(2+took) {
		t.Errorf("%d refusals of %d agents in %.1f s", refused, few, took)
	}
}

// fleet is a broker and agents that are connected to it.
type fleet struct {
	t       *testing.T
	layout  *keys.Layout
	config  broker.Config
	broker  *broker.Broker
	ctx     context.Context // of the agents
	running sync.WaitGroup

	links     []*link.Connector
	connected atomic.Int64
	changed   atomic.Int64 // when the last one connected, in Unix nanoseconds

	stop    context.CancelFunc // of the watch of the counter
	watched sync.WaitGroup
	mu      sync.Mutex
	samples []sample
}

// sample is a value of the broker's counter, read between two times.
type sample struct {
	before, after time.Time
	admitted      int
}

func newFleet(t *testing.T, maxConnects int) *fleet {
	t.Helper()
	l, err := keys.Init(keys.InitOptions{Dir: filepath.Join(t.TempDir(), "d"), Tenant: "acme", Cluster: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, layout: l, config: broker.Config{
		Dir: l.Dir(), Listen: freeport.AddressFor(t), WebsocketListen: freeport.AddressFor(t), MaxConnects: maxConnects,
		Logger: slog.New(slog.DiscardHandler),
	}}
	f.start()
	var cancel context.CancelFunc
	f.ctx, cancel = context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		f.running.Wait()
		f.broker.Shutdown()
		f.stop()
		f.watched.Wait()
	})
	return f
}

// add makes agents, every second of which uses wss://.
func (f *fleet) add(agents int) {
	f.t.Helper()
	dir := f.t.TempDir()
	for i := range agents {
		name := fmt.Sprintf("c%d", i)
		creds, err := f.layout.MintAgent("acme", name, time.Time{})
		if err != nil {
			f.t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, creds, 0o600); err != nil {
			f.t.Fatal(err)
		}
		server := "tls://" + f.config.Listen
		if i%2 == 1 {
			server = "wss://" + f.config.WebsocketListen
		}
		f.run(link.Config{Servers: []string{server}, CredsFile: file, Transport: transport.Config{CAFile: f.layout.CAFile()}})
	}
}

// run runs the connection of one agent.
func (f *fleet) run(config link.Config) {
	f.t.Helper()
	config.Registry, config.Logger = prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	config.Adopt = func(nc *nats.Conn, _ string) error {
		f.connected.Add(1)
		f.changed.Store(time.Now().UnixNano())
		lost := nc.StatusChanged(nats.CLOSED)
		go func() {
			<-lost
			f.connected.Add(-1)
		}()
		return nil
	}
	c, err := link.New(config)
	if err != nil {
		f.t.Fatal(err)
	}
	f.links = append(f.links, c)
	f.running.Go(func() {
		if nc := c.Run(f.ctx); nc != nil {
			nc.Close()
		}
	})
}

// start starts the broker at its addresses, and watches its counter.
func (f *fleet) start() {
	f.t.Helper()
	if f.stop != nil {
		f.stop()
		f.watched.Wait()
	}
	b, err := broker.Start(f.config)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.broker, f.stop, f.samples = b, cancel, nil
	f.watched.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			s := sample{before: time.Now()}
			s.admitted, _ = count(b)
			s.after = time.Now()
			f.mu.Lock()
			f.samples = append(f.samples, s)
			f.mu.Unlock()
		}
	})
}

// wait waits until n agents are connected, and returns since when.
func (f *fleet) wait(n int64, limit time.Duration) time.Time {
	f.t.Helper()
	eventually.Within(f.t, limit, fmt.Sprint(n, " connected agents"), func() error {
		if now := f.connected.Load(); now != n {
			return fmt.Errorf("%d are connected; the others say %v", now, f.reasons())
		}
		return nil
	})
	return time.Unix(0, f.changed.Load())
}

// reasons returns why agents are not connected, after the scheme of their server, each
// with their number.
func (f *fleet) reasons() map[string]int {
	reasons := make(map[string]int)
	for _, c := range f.links {
		if _, err := c.Check(context.Background()); err != nil {
			to, reason, _ := strings.Cut(err.Error(), "s: ") // after how long
			to, _, _ = strings.Cut(strings.TrimPrefix(to, "not connected to "), ":")
			reasons[to+" "+reason]++
		}
	}
	return reasons
}

// most returns the largest number of connections admitted in any second.
func (f *fleet) most() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	most, from := 0, 0
	for _, s := range f.samples {
		for s.after.Sub(f.samples[from].before) > time.Second {
			from++
		}
		most = max(most, s.admitted-f.samples[from].admitted)
	}
	return most
}

// counters returns how many connections the broker has admitted and refused.
func (f *fleet) counters() (admitted, refused int) { return count(f.broker) }

// count reads the broker's metrics, as a scrape does.
func count(b *broker.Broker) (admitted, refused int) {
	r := prometheus.NewRegistry()
	r.MustRegister(b)
	families, err := r.Gather()
	if err != nil {
		return 0, 0
	}
	for _, m := range families {
		switch value := int(m.GetMetric()[0].GetCounter().GetValue()); m.GetName() {
		case "fairlead_broker_connects_admitted_total":
			admitted = value
		case "fairlead_broker_connects_refused_total":
			refused = value
		}
	}
	return admitted, refused
}
