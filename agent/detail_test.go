package agent

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
)

// TestPresenceTellsDetail: an instance tells where it runs, by which broker it is connected
// and what it has done, and the connection's part is new after a reconnect.
func TestPresenceTellsDetail(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	file, _ := b.Creds(b.Agents, "prod", expires)
	bridge, seen := b.Bridge()
	runAgent(t, Config{
		Servers: []string{b.URL()}, CredsFile: file, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s)),
		Pod: "fairlead-agent-x1", Node: "node-7",
	})
	var first time.Time
	told := func(p subjects.Presence) bool {
		d := p.Detail
		if d == nil || d.Connected == nil {
			return false
		}
		first = *d.Connected
		return d.Pod == "fairlead-agent-x1" && d.Node == "node-7" && d.Platform == "linux/amd64" && d.Broker != "" && d.RTT > 0 &&
			d.Expires != nil && d.Expires.Equal(expires) && time.Since(first) < time.Minute
	}
	agenttest.WaitFor(t, "the detail is told", func() bool { return seen.Find(told) != "" })
	if status, err := agenttest.Call(t, bridge, seen.Find(told), agenttest.Get("/api")); status != 200 || err != nil {
		t.Fatalf("got %d, %v", status, err)
	}
	agenttest.WaitFor(t, "the request is counted", func() bool {
		return seen.Find(func(p subjects.Presence) bool { return p.Detail.Requests == 1 && p.Detail.Down > 0 }) != ""
	})
	before := first
	b.Stop()
	b.Start()
	agenttest.WaitFor(t, "the time of the new connection is told", func() bool { return seen.Find(told) != "" && first.After(before) })
}
