package crowd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bench/rig"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// bounds are what an outage must keep to.
type bounds struct {
	agents int
	// list is for the median of lists of all, right for how soon every list is right after
	// an outage, and offline for how soon those that were killed are offline.
	list, right, offline time.Duration
}

// boundsHere returns the aims, or in CI those that fewer agents keep on a machine that does
// other things too.
func boundsHere() bounds {
	if os.Getenv("FAIRLEAD_CROWD") != "" {
		return bounds{agents: 1000, list: 50 * time.Millisecond, right: 5 * time.Second, offline: 9 * time.Second}
	}
	return bounds{agents: 300, list: 500 * time.Millisecond, right: 15 * time.Second, offline: 25 * time.Second}
}

// TestBrokerKilled: three brokers that keep what two bridges share, and agents of as many
// clusters on all of them. One broker is killed, and agents beside it. Each bridge soon says
// of each cluster that it is online where its agent is, and tells of no agent that only
// moved. So it does once the broker is back, and after a bridge was killed.
func TestBrokerKilled(t *testing.T) {
	if raceDetector {
		t.Skip("it measures times and memory: run without the race detector")
	}
	b := boundsHere()
	o := newOutage(t)
	empty := o.memory()
	before := heapHere()
	o.agents = enlist(t, o.system, b.agents)
	o.settles("after the start", time.Minute)
	o.tellMemory(empty, o.memory(), heapHere()-before)
	for i, c := range o.clients {
		o.lists(i, c, b)
	}

	doomed := o.system.Brokers[0]
	moved, killed := o.agentsOf(doomed.Name())
	if moved == 0 || killed == 0 {
		t.Fatalf("of the agents of %s %d move and %d are killed", doomed.Name(), moved, killed)
	}
	t.Logf("%s, where a bridge is connected, is killed: of its agents %d move and %d are killed", doomed.Name(), moved, killed)
	watch := o.watch()
	began := time.Now()
	if err := doomed.Kill(); err != nil {
		t.Fatal(err)
	}
	o.killMarked()
	o.settles("after "+doomed.Name()+" was killed", time.Minute)
	o.gone(time.Minute)
	watch.report(began, b)
	o.told(began, killed)

	if err := o.system.Restart(t.Context(), doomed); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	o.steady("after the broker was started again", began)

	if err := o.system.MoreBridges[0].Kill(); err != nil {
		t.Fatal(err)
	}
	if err := o.system.Restart(t.Context(), o.system.MoreBridges[0]); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	o.settles("after a bridge was killed and started again", b.right+10*time.Second)
	o.gone(time.Minute)
	t.Logf("a bridge that was killed and is ready again is right after %v", time.Since(began).Round(time.Millisecond))
	o.told(began, 0)
}

// outage is the system, and what is asked of it.
type outage struct {
	t       *testing.T
	system  *harness.System
	clients []*client.Client // of bridge 1, whose broker is killed, and of bridge 2
	agents  []*member
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	bin, err := harness.Build(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	o := &outage{t: t}
	dir := t.TempDir()
	o.system, err = harness.StartSystem(t.Context(), harness.SystemOptions{Dir: dir, Binaries: bin, Brokers: 3, Store: true, Agents: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(o.system.Logs(30))
		}
		if err := o.system.Stop(); err != nil {
			t.Log(err)
		}
	})
	s := o.system
	// The brokers that the first bridge chose come first: of these one is killed.
	on := func(n *harness.Node) int { c, _ := s.Bridge.ConnectedTo(n.Address); return c }
	slices.SortStableFunc(s.Brokers, func(a, b *harness.Node) int { return on(b) - on(a) })
	if on(s.Brokers[0]) == 0 {
		t.Fatal("the bridge is connected to no broker")
	}
	second, err := s.StartBridge(t.Context(), "bridge-2", "tls://"+s.Brokers[1].Address+",tls://"+s.Brokers[2].Address)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*harness.Node{s.Bridge, second} {
		h, err := s.NewClient()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.CloseIdleConnections)
		_, port, _ := strings.Cut(n.Address, ":")
		c, err := client.New("https://localhost:"+port, client.Options{Token: client.Token(s.Token), Transport: h.Transport})
		if err != nil {
			t.Fatal(err)
		}
		o.clients = append(o.clients, c)
	}
	return o
}

// agentsOf marks a tenth of the agents at a broker, which are to be killed beside it.
func (o *outage) agentsOf(broker string) (moved, killed int) {
	for i, m := range o.agents {
		if m.broker() != broker {
			continue
		}
		if m.killed = i%10 == 0; m.killed {
			killed++
		} else {
			moved++
		}
	}
	return moved, killed
}

func (o *outage) killMarked() {
	var all sync.WaitGroup
	for _, m := range o.agents {
		if m.killed {
			all.Go(m.kill)
		}
	}
	all.Wait()
}

// settles waits until both bridges are right about what is online.
func (o *outage) settles(what string, limit time.Duration) {
	o.t.Helper()
	for i, c := range o.clients {
		eventually.Within(o.t, limit, fmt.Sprintf("bridge %d is right %s", i+1, what), func() error {
			return o.look(o.t.Context(), c).wrong
		})
	}
}

// gone waits until both bridges say that what was killed is offline.
func (o *outage) gone(limit time.Duration) {
	o.t.Helper()
	for i, c := range o.clients {
		eventually.Within(o.t, limit, fmt.Sprintf("bridge %d knows what is offline", i+1), func() error {
			if l := o.look(o.t.Context(), c); l.pending > 0 || l.wrong != nil {
				return fmt.Errorf("%d are reconnecting: %w", l.pending, l.wrong)
			}
			return nil
		})
	}
}

// steady asks for longer than a silent agent can be taken for a live one: nothing changes.
func (o *outage) steady(what string, began time.Time) {
	o.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for time.Since(began) < 12*time.Second {
		<-tick.C
		for i, c := range o.clients {
			if l := o.look(o.t.Context(), c); l.wrong != nil || l.pending > 0 {
				o.t.Errorf("%s bridge %d: %v, %d are reconnecting", what, i+1, l.wrong, l.pending)
				return
			}
		}
	}
	o.told(began, 0)
}

// lists measures lists of all clusters, as a whole and page by page.
func (o *outage) lists(i int, c *client.Client, b bounds) {
	o.t.Helper()
	measure := func(what string, list func() int) time.Duration {
		var took []time.Duration
		for range 100 {
			began := time.Now()
			n := list()
			took = append(took, time.Since(began))
			if n != b.agents {
				o.t.Fatalf("bridge %d lists %d clusters", i+1, n)
			}
		}
		slices.Sort(took)
		o.t.Logf("bridge %d: %s of %d clusters: median %v, worst of %d %v", i+1, what, b.agents, took[len(took)/2], len(took), took[len(took)-1])
		return took[len(took)/2]
	}
	whole := measure("list", func() int {
		list, err := c.Clusters(o.t.Context(), client.ClusterFilter{State: "online"})
		if err != nil {
			o.t.Fatal(err)
		}
		return len(list.Clusters)
	})
	measure("ten pages", func() (n int) {
		for _, err := range c.EachCluster(o.t.Context(), client.ClusterFilter{State: "online", Limit: b.agents / 10}) {
			if err != nil {
				o.t.Fatal(err)
			}
			n++
		}
		return n
	})
	if whole > b.list {
		o.t.Errorf("bridge %d: the median of lists is %v, want at most %v", i+1, whole, b.list)
	}
}

// memory reads that of all processes, by name.
func (o *outage) memory() map[string]rig.Memory {
	o.t.Helper()
	s, all := o.system, map[string]rig.Memory{}
	for _, n := range slices.Concat(s.Brokers, []*harness.Node{s.Bridge}, s.MoreBridges) {
		m, err := rig.ReadMemory(context.Background(), n.Ops, n.PID())
		if err != nil {
			o.t.Fatal(err)
		}
		all[n.Name()] = m
	}
	return all
}

func (o *outage) tellMemory(before, after map[string]rig.Memory, agents int64) {
	at := map[string]int{}
	for _, m := range o.agents {
		at[m.broker()]++
	}
	s := o.system
	for _, n := range slices.Concat(s.Brokers, []*harness.Node{s.Bridge}, s.MoreBridges) {
		m, each := after[n.Name()], at[n.Name()]
		if each == 0 { // a bridge hears all
			each = len(o.agents)
		}
		more := m.Sub(before[n.Name()])
		o.t.Logf("%s: %.1f MiB live heap and stacks, %.1f MiB resident; %.1f and %.1f KiB for each of %d agents",
			filepath.Base(n.Name()), mib(m.Live()), mib(m.RSS), float64(more.Live())/1024/float64(each), float64(more.RSS)/1024/float64(each), each)
	}
	o.t.Logf("an agent's connection and presence: %.1f KiB", float64(agents)/1024/float64(len(o.agents)))
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// heapHere is the live heap and the stacks of this process, which has the agents.
func heapHere() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
