package crowd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bench/rig"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// The aims for 10,000 agents on one broker with two cores.
const (
	aimMemory  = 1 << 30 // bytes, resident and live, of the broker
	aimList    = 100 * time.Millisecond
	aimLatency = 1.10 // of that with fewAgents
	aimBack    = time.Minute
	aimRight   = 5 * time.Second

	fewAgents = 10
	// broke is how long the broker is gone: the pauses between attempts have grown to their
	// most.
	broke = 15 * time.Second
)

// TestScale: one broker that keeps what bridges share, a bridge, an agent with an API server,
// and FAIRLEAD_CROWD_AGENTS agents more. Beside it is another system with ten, which the same
// requests are sent to in turns.
func TestScale(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("FAIRLEAD_CROWD_AGENTS"))
	if n == 0 || raceDetector {
		t.Skip("needs two cores for itself, without the race detector: run 'make crowd10k'")
	}
	descriptors(t, n)
	few, many := newCity(t, fewAgents), newCity(t, n)
	empty := many.memory()
	before := heapHere()
	few.agents = enlist(t, few.system, few.size)
	configs := recruit(t, many.system, many.size)
	began := time.Now()
	many.agents = gather(t, configs)
	t.Logf("%d agents are started in %v", n, time.Since(began).Round(time.Millisecond))
	many.settle("after the start", began, 5*time.Minute)
	many.tellMemory(empty, heapHere()-before)
	many.idle(10 * time.Second)
	many.lists()
	latencies(t, few, many)
	many.killSome(n / 100)
	many.restart()
	many.tellMemory(empty, heapHere()-before)
	many.idle(10 * time.Second)
	latencies(t, few, many)
}

// descriptors makes sure that this process can have a connection for each agent.
func descriptors(t *testing.T, agents int) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	want := uint64(agents)*5/4 + 1000 // the brokers and bridges inherit it
	if limit.Max < want {
		limit.Max = want
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatalf("%d open files are needed: 'ulimit -n %d': %v", want, want, err)
	}
}

// city is a system with many agents.
type city struct {
	outage
	size int
	work *http.Client // sends small requests to the cluster that works
}

func newCity(t *testing.T, size int) *city {
	t.Helper()
	bin, err := harness.Build(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	c := &city{size: size}
	c.t = t
	dir := t.TempDir()
	c.system, err = harness.StartSystem(t.Context(), harness.SystemOptions{
		Dir: dir, Binaries: bin, Brokers: 1, Store: true, AgentKubeconfig: anAPIServer(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.system.Logs(30))
		}
		if err := c.system.Stop(); err != nil {
			t.Log(err)
		}
	})
	h, err := c.system.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.CloseIdleConnections)
	api, err := client.New(c.system.URL(""), client.Options{Token: client.Token(c.system.Token), Transport: h.Transport})
	if err != nil {
		t.Fatal(err)
	}
	c.clients = []*client.Client{api}
	if c.work, err = c.system.NewClient(harness.HTTP1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.work.CloseIdleConnections)
	return c
}

// get reads a whole answer, and returns how long that took.
func (c *city) get(path string) (time.Duration, int) {
	c.t.Helper()
	took, n, err := c.try(path)
	if err != nil {
		c.t.Fatal(err)
	}
	return took, n
}

func (c *city) try(path string) (time.Duration, int, error) {
	began := time.Now()
	res, err := c.work.Get(c.system.URL(path))
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, res.Status)
	}
	return time.Since(began), int(n), err
}

func median(of []time.Duration) time.Duration {
	slices.Sort(of)
	return of[len(of)/2]
}

// connected counts the agents that are.
func (c *city) connected() (n int) {
	for _, m := range c.agents {
		if !m.killed && m.broker() != "" {
			n++
		}
	}
	return n
}

func (c *city) alive() (n int) {
	for _, m := range c.agents {
		if !m.killed {
			n++
		}
	}
	return n
}

// settle waits until all agents are connected, and the bridge right about them. It watches
// how many the broker admits and refuses meanwhile.
func (c *city) settle(what string, began time.Time, limit time.Duration) (back time.Duration) {
	c.t.Helper()
	cpu := c.usage()
	admitted, refused, most := 0.0, 0.0, 0.0
	type reading struct {
		before   time.Time
		admitted float64
	}
	var samples []reading
	eventually.Within(c.t, limit, "all agents are connected "+what, func() error {
		before := time.Now()
		if m, err := c.system.Metrics(c.t.Context(), c.system.Brokers[0]); err == nil {
			admitted, refused = m.Sum("fairlead_broker_connects_admitted_total"), m.Sum("fairlead_broker_connects_refused_total")
			samples = append(samples, reading{before, admitted})
			for time.Since(samples[0].before) > time.Second { // as fleet.most: in no second may there be more
				samples = samples[1:]
				if len(samples) == 0 {
					return errors.New("a scrape took more than a second")
				}
			}
			most = max(most, admitted-samples[0].admitted)
		}
		if now, want := c.connected(), c.alive(); now != want {
			return fmt.Errorf("%d of %d are connected; %.0f admitted, %.0f refused", now, want, admitted, refused)
		}
		return nil
	})
	back = time.Since(began)
	c.t.Logf("%d agents are connected %v %s: %.0f connections admitted, at most %.0f a second, and %.0f refused; %s",
		c.alive(), back.Round(10*time.Millisecond), what, admitted, most, refused, c.usage().since(cpu))
	if most > broker.DefaultMaxConnects {
		c.t.Errorf("%.0f connections were admitted in a second, want at most %d", most, broker.DefaultMaxConnects)
	}
	c.right(what, time.Now())
	return back
}

// right waits until the bridge is right about all agents.
func (c *city) right(what string, since time.Time) {
	c.t.Helper()
	last, took := "", time.Duration(0)
	eventually.Within(c.t, 2*time.Minute, "the bridge is right "+what, func() error {
		l := c.look(c.t.Context(), c.clients[0])
		took = l.at.Sub(since)
		if now := fmt.Sprint(l.states); now != last {
			last = now
			c.t.Logf("after %v: %v; wrong: %v", took.Round(10*time.Millisecond), l.states, l.wrong)
		}
		return l.wrong
	})
	c.t.Logf("the bridge is right %v after that", took.Round(10*time.Millisecond))
	if took > aimRight {
		c.t.Errorf("the bridge is right about all agents %v %s, want at most %v", took, what, aimRight)
	}
}

// lists measures lists of all clusters, as the bridge answers them and as a client has them,
// and pages.
func (c *city) lists() {
	c.t.Helper()
	var whole, decoded, pages []time.Duration
	bytes := 0
	for range 15 {
		took, n := c.get("/v1/clusters")
		whole, bytes = append(whole, took), n
		took, _ = c.get("/v1/clusters?limit=500")
		pages = append(pages, took)
		began := time.Now()
		list, err := c.clients[0].Clusters(c.t.Context(), client.ClusterFilter{})
		if err != nil || len(list.Clusters) != c.size+1 {
			c.t.Fatalf("%d clusters, %v", len(list.Clusters), err)
		}
		decoded = append(decoded, time.Since(began))
	}
	all := median(whole)
	c.t.Logf("list of %d clusters: median %v, worst %v, of %.1f MB; with its decoding in the client %v; a page of 500: %v",
		c.size+1, all, whole[len(whole)-1], float64(bytes)/1e6, median(decoded), median(pages))
	if all > aimList {
		c.t.Errorf("the list takes %v, want at most %v", all, aimList)
	}
}

// latencies compares small requests with few agents and with many, in turns.
func latencies(t *testing.T, few, many *city) {
	t.Helper()
	const rounds, each = 200, 50 // 20 s: with 40 rounds, runs differed by a tenth
	path := "/k8s/clusters/" + few.system.Ref() + "/version"
	var ratios []float64
	var all [2][]time.Duration
	for range rounds {
		var round [2][]time.Duration
		for i, c := range []*city{few, many} {
			for range each {
				took, _ := c.get(path)
				round[i] = append(round[i], took)
			}
			all[i] = append(all[i], round[i]...)
		}
		ratios = append(ratios, float64(median(round[1]))/float64(median(round[0])))
	}
	slices.Sort(ratios)
	ratio := ratios[rounds/2]
	t.Logf("a small request: median %v with %d agents, %v with %d; ratio of the same round: median %.3f, quartiles %.3f and %.3f",
		median(all[0]), few.size, median(all[1]), many.size, ratio, ratios[rounds/4], ratios[rounds*3/4])
	if ratio > aimLatency {
		t.Errorf("a small request takes %.3f times as long with %d agents as with %d, want at most %.2f", ratio, many.size, few.size, aimLatency)
	}
}

// restart kills the broker and starts it again.
func (c *city) restart() {
	c.t.Helper()
	b := c.system.Brokers[0]
	if err := b.Kill(); err != nil {
		c.t.Fatal(err)
	}
	eventually.Within(c.t, time.Minute, "all agents know that the broker is gone", func() error {
		if n := c.connected(); n > 0 {
			return fmt.Errorf("%d are connected", n)
		}
		return nil
	})
	time.Sleep(broke) // an outage has no other end
	began := time.Now()
	ctx, cancel := context.WithCancel(c.t.Context())
	served := make(chan time.Duration, 1)
	go func() {
		for ctx.Err() == nil {
			if _, _, err := c.try("/k8s/clusters/" + c.system.Ref() + "/version"); err == nil {
				served <- time.Since(began)
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	defer cancel()
	if err := c.system.Restart(c.t.Context(), b); err != nil {
		c.t.Fatal(err)
	}
	c.t.Logf("the broker is ready %v after its start", time.Since(began).Round(10*time.Millisecond))
	back := c.settle("after the broker's start", began, 5*time.Minute)
	select {
	case took := <-served:
		c.t.Logf("the first request after the outage is served %v after the broker's start", took.Round(10*time.Millisecond))
	case <-time.After(time.Minute):
		c.t.Error("no request is served")
	}
	if back > aimBack {
		c.t.Errorf("all agents are back %v after the broker's start, want at most %v", back, aimBack)
	}
}

// idle tells the CPU time of what agents do that have nothing to do.
func (c *city) idle(d time.Duration) {
	before := c.usage()
	time.Sleep(d) // it is measured over a time
	c.t.Logf("with %d idle agents: %s", c.size, c.usage().since(before))
}

// usage is CPU time.
type usage struct {
	at                     time.Time
	broker, bridge, agents time.Duration
}

func (c *city) usage() (u usage) {
	u.at = time.Now()
	u.broker, _ = rig.CPUTime(c.system.Brokers[0].PID())
	u.bridge, _ = rig.CPUTime(c.system.Bridge.PID())
	u.agents, _ = rig.CPUTime(os.Getpid())
	return u
}

func (u usage) since(before usage) string {
	d := u.at.Sub(before.at).Seconds()
	of := func(now, then time.Duration) float64 { return 100 * (now - then).Seconds() / d }
	return fmt.Sprintf("CPU: broker %.0f %%, bridge %.0f %%, agents' process %.0f %% of a core",
		of(u.broker, before.broker), of(u.bridge, before.bridge), of(u.agents, before.agents))
}

// tellMemory tells that of broker and bridge.
func (c *city) tellMemory(empty map[string]rig.Memory, agents int64) {
	c.t.Helper()
	began := time.Now()
	now := c.memory()
	c.t.Logf("reading the memory took %v", time.Since(began).Round(time.Millisecond))
	for _, n := range []*harness.Node{c.system.Brokers[0], c.system.Bridge} {
		m, more := now[n.Name()], now[n.Name()].Sub(empty[n.Name()])
		c.t.Logf("%s: %.1f MiB live heap and stacks, %.1f MiB resident; %.1f KiB live for each of %d agents",
			filepath.Base(n.Name()), mib(m.Live()), mib(m.RSS), float64(more.Live())/1024/float64(c.size), c.size)
	}
	b := now[c.system.Brokers[0].Name()]
	if max(b.Live(), b.RSS) > aimMemory {
		c.t.Errorf("the broker has %.1f MiB live and %.1f resident, want at most %d", mib(b.Live()), mib(b.RSS), aimMemory>>20)
	}
	c.t.Logf("an agent in this process: %.1f KiB", float64(agents)/1024/float64(c.size))
}
