package crowd

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// look is what one list says.
type look struct {
	at      time.Time // when its answer began, which the bridge has made as a whole by then
	states  map[string]int
	wrong   error // the first thing that is not as it is
	pending int   // clusters whose agent was killed, and that may still come back
	// falseOffline is a cluster that is called offline though its agent was not killed.
	falseOffline string
}

// look asks for a list and holds it against the agents.
func (o *outage) look(ctx context.Context, c *client.Client) (l look) {
	var answered atomic.Int64
	trace := &httptrace.ClientTrace{GotFirstResponseByte: func() { answered.Store(time.Now().UnixNano()) }}
	list, err := c.Clusters(httptrace.WithClientTrace(ctx, trace), client.ClusterFilter{Tenant: "acme"})
	l.at, l.states = time.Unix(0, answered.Load()), map[string]int{}
	if err != nil {
		l.at = time.Now()
		l.wrong = err
		return l
	}
	found := make(map[string]*api.Cluster, len(list.Clusters))
	for i := range list.Clusters {
		found[list.Clusters[i].Name] = &list.Clusters[i]
		l.states[list.Clusters[i].State]++
	}
	for _, m := range o.agents {
		v := found[m.cluster]
		if v == nil {
			l.wrong = fmt.Errorf("%s is not in the list", m.cluster)
			continue
		}
		if err := m.differs(v); err != nil && l.wrong == nil {
			l.wrong = err
		}
		if m.killed && v.State != "offline" {
			l.pending++
		}
		if !m.killed && v.State == "offline" {
			l.falseOffline = m.cluster
		}
	}
	return l
}

// differs says how a cluster is other than its agent.
func (m *member) differs(v *api.Cluster) error {
	if m.killed {
		if v.State == "connected" || len(v.Instances) > 0 {
			return fmt.Errorf("%s, whose agent was killed, is %s", v.Name, v.State)
		}
		return nil
	}
	at := m.broker()
	if v.State != "connected" || len(v.Instances) != 1 {
		return fmt.Errorf("%s, whose agent is at %q, is %s with %d instances", v.Name, at, v.State, len(v.Instances))
	}
	if told := v.Instances[0].Broker; told != at {
		return fmt.Errorf("%s, whose agent is at %q, is said to be at %q", v.Name, at, told)
	}
	return nil
}

// watching asks both bridges all the time.
type watching struct {
	o     *outage
	stop  context.CancelFunc
	all   sync.WaitGroup
	looks [][]look // by bridge
}

func (o *outage) watch() *watching {
	ctx, cancel := context.WithCancel(o.t.Context())
	w := &watching{o: o, stop: cancel, looks: make([][]look, len(o.clients))}
	for i, c := range o.clients {
		w.all.Go(func() {
			for ctx.Err() == nil {
				if l := o.look(ctx, c); ctx.Err() == nil {
					w.looks[i] = append(w.looks[i], l)
				}
				select {
				case <-time.After(50 * time.Millisecond): // 20 lists a second, beside the time that each takes
				case <-ctx.Done():
				}
			}
		})
	}
	o.t.Cleanup(w.end)
	return w
}

func (w *watching) end() {
	w.stop()
	w.all.Wait()
}

// report tells how the bridges came to be right after a moment, and holds it against
// bounds.
func (w *watching) report(began time.Time, b bounds) {
	w.end()
	t := w.o.t
	for i, looks := range w.looks {
		var right, offline time.Duration // after which every list was right
		last := ""
		var untrue []string
		for _, l := range looks {
			at := l.at.Sub(began)
			if at < 0 {
				continue
			}
			if l.wrong != nil {
				right = at
			}
			if l.wrong != nil || l.pending > 0 {
				offline = at
			}
			if l.falseOffline != "" {
				untrue = append(untrue, fmt.Sprintf("%s after %v", l.falseOffline, at.Round(time.Millisecond)))
			}
			if now := fmt.Sprintf("%v %v", l.states, l.wrong != nil); now != last {
				last = now
				t.Logf("bridge %d after %v: %v; wrong: %v", i+1, at.Round(time.Millisecond), l.states, l.wrong)
			}
		}
		t.Logf("bridge %d: right about all that is online after %v, and about what is offline after %v; %d lists",
			i+1, right.Round(time.Millisecond), offline.Round(time.Millisecond), len(looks))
		if right > b.right {
			t.Errorf("bridge %d: right after %v, want at most %v", i+1, right, b.right)
		}
		if offline > b.offline {
			t.Errorf("bridge %d: what was killed is offline after %v, want at most %v", i+1, offline, b.offline)
		}
		if len(untrue) > 0 {
			t.Errorf("bridge %d: agents that only moved were called offline: %s", i+1, untrue[0])
		}
	}
}

// told holds the events since a moment against what happened: those of the clusters whose
// agents were killed, once each, and no others. It waits for them: while the brokers choose
// another leader for the log, events wait in the bridges.
func (o *outage) told(since time.Time, killed int) {
	o.t.Helper()
	for i, c := range o.clients {
		var others []string
		eventually.Within(o.t, time.Minute, fmt.Sprintf("bridge %d has an event of each killed cluster", i+1), func() error {
			disconnected := 0
			others = nil
			for e, err := range o.events(c) {
				switch {
				case err != nil:
					return err
				case e.Time.Before(since):
				case e.Type == api.EventClusterDisconnected && o.isKilled(e.Name):
					disconnected++
				case e.Type == api.EventInstanceDisconnected && o.isKilled(e.Name):
				default:
					others = append(others, fmt.Sprintf("%s %s %s", e.Name, e.Type, e.Cause))
				}
			}
			if disconnected != killed {
				return fmt.Errorf("%d events of %d killed clusters", disconnected, killed)
			}
			return nil
		})
		o.t.Logf("bridge %d: %d killed clusters have an event each; %d others", i+1, killed, len(others))
		if len(others) > 0 {
			o.t.Errorf("bridge %d: %d events of nothing that happened, such as %v", i+1, len(others), others[:min(5, len(others))])
		}
	}
}

func (o *outage) isKilled(cluster string) bool {
	for _, m := range o.agents {
		if m.cluster == cluster {
			return m.killed
		}
	}
	return false
}

// events yields all that a bridge has in its log.
func (o *outage) events(c *client.Client) func(func(api.Event, error) bool) {
	return func(yield func(api.Event, error) bool) {
		after := "oldest"
		for {
			list, err := c.EventPage(o.t.Context(), client.EventFilter{After: after, Types: []string{"cluster.*", "instance.*"}}, 1000)
			if err != nil {
				yield(api.Event{}, err)
				return
			}
			for _, e := range list.Events {
				if !yield(e, nil) {
					return
				}
			}
			if !list.More {
				return
			}
			after = list.Next
		}
	}
}
