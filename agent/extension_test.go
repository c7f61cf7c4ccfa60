package agent

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
)

// TestExtensions: a bridge that is one release ahead adds extensions to its requests
// that this agent does not know. The agent ignores those that it may ignore. It
// refuses a request with any other, and does not execute it.
func TestExtensions(t *testing.T) {
	b := agenttest.NewBroker(t)
	var executed atomic.Int32
	s := agenttest.Kube(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/x" {
			executed.Add(1)
		}
	})
	file, _ := b.Creds(b.Agents, "prod", time.Time{})
	bridge, seen := b.Bridge()
	_, stop, _ := runAgent(t, Config{Servers: []string{b.URL()}, CredsFile: file, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s))})
	defer stop()
	agenttest.WaitFor(t, "presence", func() bool { return seen.Find(agenttest.IsUp) != "" })
	instance := seen.Find(agenttest.IsUp)
	for _, c := range []struct {
		name    string
		ext     []subjects.Extension
		refused bool
	}{
		{"none", nil, false},
		{"one to ignore", []subjects.Extension{{ID: 2, Value: "new"}}, false},
		{"several to ignore", []subjects.Extension{{ID: 4}, {ID: 1 << 40, Value: strings.Repeat("\xff", 1000)}}, false},
		{"a critical one", []subjects.Extension{{ID: 99, Value: "act as somebody else"}}, true},
		{"a critical one among others", []subjects.Extension{{ID: 2}, {ID: 1<<63 + 1}, {ID: 1<<63 + 2}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			executed.Store(0)
			head := agenttest.Post("/x", 0)
			head.Extensions = c.ext
			status, err := agenttest.Call(t, bridge, instance, head)
			switch {
			case !c.refused && (err != nil || status != 200 || executed.Load() != 1):
				t.Errorf("status %d, %v, executed %d times, want once", status, err, executed.Load())
			case c.refused && (subjects.CodeOf(err) != subjects.CodeIncompatible || executed.Load() != 0):
				t.Errorf("got status %d, %v, executed %d times, want code %v and none", status, err, executed.Load(), subjects.CodeIncompatible)
			case c.refused && !subjects.CodeOf(err).NotExecuted():
				t.Errorf("%v does not say that nothing was executed", err)
			}
		})
	}
}
