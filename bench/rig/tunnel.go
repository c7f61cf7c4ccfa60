package rig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/bench/parts"
	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// startTunnels builds the binaries and starts all installations of them.
func (r *Rig) startTunnels(ctx context.Context) error {
	r.options.Progress("building the binaries")
	bin, err := harness.Build(ctx, false)
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(r.dir, "kubeconfig")
	if err := writeKubeconfig(kubeconfig, "http://"+r.Upstream.Addr, ""); err != nil {
		return err
	}
	for _, one := range []struct {
		wanted bool
		start  func(context.Context, harness.Binaries, string) error
	}{
		{true, r.startTunnel}, {r.options.Identity, r.startIdentity}, {r.options.Tracing, r.startTracing},
		{r.options.TLS, r.startTLS},
	} {
		if !one.wanted {
			continue
		}
		if err := one.start(ctx, bin, kubeconfig); err != nil {
			return err
		}
	}
	return nil
}

// startTunnel starts the bridge and the agents of the targets Tunnel and WSS.
func (r *Rig) startTunnel(ctx context.Context, bin harness.Binaries, kubeconfig string) (err error) {
	flags := []string{"--insecure-http"}
	var websocket string
	if r.options.WSS {
		if websocket, err = freeport.Address(); err != nil {
			return err
		}
		flags = append(flags, "--broker-websocket-listen", websocket)
	}
	r.system, err = harness.StartSystem(ctx, harness.SystemOptions{
		Dir: filepath.Join(r.dir, "tunnel"), Binaries: bin, Tenant: tenant, Cluster: cluster,
		Agents: -1, AgentKubeconfig: kubeconfig, BridgeFlags: flags, Progress: r.options.Progress,
	})
	if err != nil {
		return err
	}
	agent, err := r.system.StartAgent(ctx, harness.AgentOptions{Name: "agent"})
	if err != nil {
		return err
	}
	r.addTunnel(Tunnel, cluster, r.system, agent)
	if !r.options.WSS {
		return nil
	}
	layout, err := keys.OpenLayout(r.system.Config)
	if err != nil {
		return err
	}
	creds, _, err := layout.AddCluster(tenant, wssCluster, time.Time{})
	if err != nil {
		return err
	}
	agent, err = r.system.StartAgent(ctx, harness.AgentOptions{
		Name: "agent-wss", Servers: "wss://" + websocket,
		Creds: creds,
	})
	if err != nil {
		return err
	}
	r.addTunnel(WSS, wssCluster, r.system, agent)
	return nil
}

func (r *Rig) addTunnel(name, cluster string, s *harness.System, agent *harness.Node) *Target {
	t := &Target{
		Name: name, Path: []int{s.Bridge.PID(), agent.PID()}, bridge: s.Bridge, agent: agent, upstream: r.Upstream, load: r.Load,
		url:   "http://" + s.Bridge.Address + "/k8s/clusters/" + cluster + "." + tenant,
		token: s.Token,
	}
	r.Targets = append(r.Targets, t)
	return t
}

// writeKubeconfig writes a kubeconfig for a server, with the file of its CA, unless that
// is "".
func writeKubeconfig(path, server, ca string) error {
	const format = `apiVersion: v1
kind: Config
current-context: bench
contexts: [{name: bench, context: {cluster: bench, user: bench}}]
clusters: [{name: bench, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: bench, user: {}}]
`
	if err := os.WriteFile(path, fmt.Appendf(nil, format, server, ca), 0o600); err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	return nil
}

// BridgeMemory reads the memory of the bridge, which runs the broker too.
func (r *Rig) BridgeMemory(ctx context.Context) (Memory, error) {
	return ReadMemory(ctx, r.system.Bridge.Ops, r.system.Bridge.PID())
}

// AgentMemory reads the memory of the agent over TLS.
func (r *Rig) AgentMemory(ctx context.Context) (Memory, error) {
	return ReadMemory(ctx, r.system.Agents[0].Ops, r.system.Agents[0].PID())
}

// SetIdle connects n agents without work beside the one that works.
func (r *Rig) SetIdle(ctx context.Context, n int) error {
	if r.idle == nil {
		var err error
		r.idle, err = r.part(ctx, parts.RoleIdle, "-dir", r.system.Config, "-tenant", tenant, "-server", r.system.BrokerURLs())
		if err != nil {
			return err
		}
	}
	_, err := r.idle.Do(ctx, load.Job{Conns: n})
	return err
}
