package parts

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// maxIdle bounds the agents of a crowd.
const maxIdle = 5000

// runIdle runs as many idle agents as the last job had Conns. Each is the agent of
// another cluster, with its own credentials and connection. It announces itself as
// an agent does, and has no stream.
func runIdle(ctx context.Context, args []string, p IO) error {
	var dir, tenant, server string
	err := parse(RoleIdle, args, func(fs *flag.FlagSet) {
		fs.StringVar(&dir, "dir", "", "directory of the broker's keys")
		fs.StringVar(&tenant, "tenant", "", "tenant of the clusters")
		fs.StringVar(&server, "server", "", "URL of the broker")
	})
	if err != nil {
		return err
	}
	l, err := keys.OpenLayout(dir)
	if err != nil {
		return err
	}
	c := &crowd{layout: l, tenant: tenant, server: server}
	defer func() { _ = c.set(ctx, 0) }()
	if err := p.ready(""); err != nil {
		return err
	}
	return load.Serve(p.In, p.Out, func(j load.Job) (load.Result, error) {
		start := time.Now()
		if err := c.set(ctx, j.Conns); err != nil {
			return load.Result{}, err
		}
		return load.Result{Count: len(c.agents), Seconds: time.Since(start).Seconds()}, nil
	})
}

type crowd struct {
	layout *keys.Layout
	tenant string
	server string
	agents []idleAgent
}

type idleAgent struct {
	nc    *nats.Conn
	agent *natslink.Agent
}

func (a idleAgent) close() {
	_ = a.agent.Close()
	a.nc.Close()
}

// atOnce is how many agents connect or leave at the same time.
const atOnce = 16

// set changes the number of agents to n.
func (c *crowd) set(ctx context.Context, n int) error {
	if n < 0 || n > maxIdle {
		return fmt.Errorf("%d agents: not between 0 and %d", n, maxIdle)
	}
	var wg sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for _, a := range c.agents[min(n, len(c.agents)):] {
		room <- struct{}{}
		wg.Go(func() { a.close(); <-room })
	}
	wg.Wait()
	c.agents = c.agents[:min(n, len(c.agents))]

	first := len(c.agents)
	more, errs := make([]idleAgent, n-first), make([]error, n-first)
	for i := range more {
		room <- struct{}{}
		wg.Go(func() {
			more[i], errs[i] = c.connect(ctx, fmt.Sprintf("idle-%04d", first+i))
			<-room
		})
	}
	wg.Wait()
	err := errors.Join(errs...)
	for _, a := range more {
		switch {
		case err == nil:
			c.agents = append(c.agents, a)
		case a.nc != nil:
			a.close()
		}
	}
	return err
}

func (c *crowd) connect(ctx context.Context, cluster string) (idleAgent, error) {
	nc, err := asAgent(ctx, c.layout, c.server, c.tenant, cluster)
	if err != nil {
		return idleAgent{}, err
	}
	started := time.Now()
	agent, err := natslink.NewAgent(nc, natslink.AgentConfig{
		Cluster: cluster, Instance: subjects.NewID('a'),
		Stream: stream.Config{Handler: func(s *stream.Stream) { s.Reset(subjects.CodeRefused, "idle") }},
		Presence: func() subjects.Presence {
			return subjects.Presence{Version: "bench", Started: started, Reachable: true}
		},
	})
	if err != nil {
		nc.Close()
		return idleAgent{}, fmt.Errorf("%s: %w", cluster, err)
	}
	return idleAgent{nc: nc, agent: agent}, nil
}
