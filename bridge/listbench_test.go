package bridge

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
)

const manyClusters = 10000

// manyListed is a bridge that knows many clusters, each with an agent that tells what agents
// do. They are in its directory alone: no agent is connected.
func manyListed(t testing.TB) *rig {
	t.Helper()
	r := newRig(t, rigOptions{directory: directory.Config{PeerTimeout: time.Hour}})
	conn, err := r.pool.Acquire(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Release)
	since := time.Now().UTC()
	for i := range manyClusters {
		name := fmt.Sprintf("c%04d", i)
		conn.Directory().Presence(name, subjects.NewID('a'), &subjects.Presence{
			Protocol: [2]int{subjects.MinVersion, subjects.Version}, State: subjects.PresenceUp,
			Version: "v1.2.3", Started: since, Kubernetes: "v1.34.4", Reachable: true, Labels: map[string]string{"env": "prod", "region": "eu"},
			Detail: &subjects.Detail{
				Pod: "fairlead-agent-" + name, Node: "node-1", Platform: "linux/amd64", Broker: "broker-1", Connected: &since, RTT: int64(i),
			},
		})
	}
	return r
}

// lister returns a function that lists all clusters and returns the length of the answer. It
// has waited until the agents have been heard. Nothing is held against openapi.yaml, which
// would take longer than all else.
func (r *rig) lister(h2 bool) func() int64 {
	r.t.Helper()
	c := &http.Client{Transport: r.transport(h2)}
	r.t.Cleanup(c.CloseIdleConnections)
	list := func() int64 {
		res, err := c.Do(r.request("GET", "/v1/clusters?tenant=acme", nil))
		if err != nil {
			r.t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			r.t.Fatal(res.Status, err)
		}
		return n
	}
	list()
	return list
}

// TestListAllocations: a list costs next to no memory but while it is under way, or lists of
// many clusters keep the bridge collecting garbage: 3 allocations of 8 to 24 bytes a cluster,
// where encoding the whole list at once took 16 of 3 KB in all.
func TestListAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector changes what is allocated")
	}
	list := manyListed(t).lister(false)
	for range 3 {
		list()
	}
	const lists = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range lists {
		list()
	}
	runtime.ReadMemStats(&after)
	allocs := float64(after.Mallocs-before.Mallocs) / lists / manyClusters
	bytes := float64(after.TotalAlloc-before.TotalAlloc) / lists / manyClusters
	t.Logf("%.2f allocations and %.0f bytes for a cluster of a list", allocs, bytes)
	if allocs > 4 || bytes > 300 {
		t.Errorf("a list makes %.2f allocations of %.0f bytes for a cluster, want at most 4 of 300", allocs, bytes)
	}
}

// BenchmarkList is for profiles. What a list takes while agents are connected is measured by
// package bench/crowd.
func BenchmarkList(b *testing.B) {
	r := manyListed(b)
	for _, version := range []string{"http1", "http2"} {
		list := r.lister(version == "http2")
		b.Run(version, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(list())
			}
		})
	}
}
