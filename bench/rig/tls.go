package rig

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/fairlead-io/fairlead/bench/parts"
	"github.com/fairlead-io/fairlead/test/harness"
)

// startTLS starts another installation like that of the tunnel, whose bridge speaks HTTPS,
// and an upstream and a proxy that do so with its certificate.
func (r *Rig) startTLS(ctx context.Context, bin harness.Binaries, _ string) (err error) {
	dir := filepath.Join(r.dir, "https")
	kubeconfig := filepath.Join(dir, "kubeconfig")
	r.tls, err = harness.StartSystem(ctx, harness.SystemOptions{
		Dir: dir, Binaries: bin, Tenant: tenant, Cluster: cluster, Agents: -1, AgentKubeconfig: kubeconfig, Progress: r.options.Progress,
	})
	if err != nil {
		return err
	}
	ca, files := r.tls.CAFile(), filepath.Join(r.tls.Config, "tls")
	certificate := []string{"-tls-cert", filepath.Join(files, "server.crt"), "-tls-key", filepath.Join(files, "server.key")}
	upstream, err := r.part(ctx, parts.RoleUpstream, certificate...)
	if err != nil {
		return err
	}
	base := "https://" + upstream.Addr
	proxy, err := r.part(ctx, parts.RoleProxy, append(certificate, "-upstream", base, "-ca", ca)...)
	if err != nil {
		return err
	}
	if err := writeKubeconfig(kubeconfig, base, ca); err != nil {
		return err
	}
	agent, err := r.tls.StartAgent(ctx, harness.AgentOptions{Name: "agent"})
	if err != nil {
		return fmt.Errorf("https: %w", err)
	}
	r.Targets = append(r.Targets,
		&Target{Name: DirectTLS, url: base, ca: ca, upstream: upstream, load: r.Load},
		&Target{Name: ProxyTLS, url: "https://" + proxy.Addr, ca: ca, Path: []int{proxy.PID()}, upstream: upstream, load: r.Load})
	t := r.addTunnel(TunnelTLS, cluster, r.tls, agent)
	t.url, t.ca, t.upstream = "https"+strings.TrimPrefix(t.url, "http"), ca, upstream
	return nil
}
