package rig

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/bench/parts"
	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// Names of the rig's own targets. Peers have the names that the user gave them.
const (
	Direct = "direct" // the upstream itself
	Proxy  = "proxy"  // one plain reverse proxy hop
	Tunnel = "tunnel" // bridge with its broker, agent over TLS
	WSS    = "wss"    // the same, agent over WebSocket and TLS
	// Identity is the tunnel with ID tokens, grants, impersonation and audit.
	Identity = "identity"
	// LongToken is the tunnel without any of these, for a static token that is as long
	// as Identity's: all that parse the request's head need more time for it.
	LongToken = "longtoken"
	// Traced1 and Traced100 are the tunnel with spans of 1 and of 100 percent of its
	// requests.
	Traced1   = "traced1"
	Traced100 = "traced100"
	// DirectTLS, ProxyTLS and TunnelTLS are Direct, Proxy and Tunnel with HTTPS and HTTP/2 on
	// both sides.
	DirectTLS = "direct-tls"
	ProxyTLS  = "proxy-tls"
	TunnelTLS = "tunnel-tls"
	NATS      = "nats"    // bare NATS messages between two processes, no HTTP
	Streams   = "streams" // the product's streams between the same two, no HTTP
)

// Own are the names of all the rig's own targets. Peers have others.
var Own = []string{Direct, Proxy, Tunnel, WSS, Identity, LongToken, Traced1, Traced100, DirectTLS, ProxyTLS, TunnelTLS, NATS, Streams}

// The names of the tunnel's installation.
const (
	tenant     = "bench"
	cluster    = "tls"
	wssCluster = "wss"
)

// Peer is another tunnel, which the user runs.
type Peer struct {
	Name string
	URL  string // leads to the rig's upstream
	PIDs []int  // of its processes, if their CPU time is to be measured
}

// Options are the options of a rig.
type Options struct {
	// UpstreamListen is the upstream's address, by default a free loopback port.
	UpstreamListen string
	Peers          []Peer
	// WSS adds the target of that name, Identity those of Identity and LongToken,
	// Tracing those of Traced1 and Traced100, TLS those of DirectTLS, ProxyTLS and TunnelTLS.
	WSS, Identity, Tracing, TLS bool
	// Progress is called with each step.
	Progress func(string)
}

// Target is something to measure.
type Target struct {
	Name string
	Path []int // the processes between the load generator and the upstream

	bridge, agent *harness.Node // nil without
	url, token    string
	ca            string // file, for HTTPS
	upstream      *Part
	load          *Part
}

// HTTP reports whether the target speaks HTTP, and so can do every job.
func (t *Target) HTTP() bool { return t.Name != NATS && t.Name != Streams }

// scheme is the start of the target's URL, and of its upstream's.
func (t *Target) scheme() string {
	if t.ca != "" {
		return "https://"
	}
	return "http://"
}

// Rig holds the running processes of a benchmark. Its methods are for one goroutine
// at a time.
type Rig struct {
	Targets  []*Target
	Upstream *Part
	Load     *Part

	options Options
	dir     string
	all     []*Part
	system  *harness.System
	idle    *Part

	identity *harness.System // nil without that target
	issuer   *issuer.Issuer

	tls *harness.System // nil without those targets

	traced    []*harness.System
	collector *httptest.Server // nil without them
}

// Start builds the binaries and starts everything. It returns when every
// target answers.
func Start(ctx context.Context, o Options) (_ *Rig, err error) {
	if o.UpstreamListen == "" {
		o.UpstreamListen = "127.0.0.1:0"
	}
	dir, err := os.MkdirTemp("", "fairlead-bench-")
	if err != nil {
		return nil, fmt.Errorf("working folder: %w", err)
	}
	r := &Rig{options: o, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	for _, step := range []func(context.Context) error{r.startYardsticks, r.startTunnels, r.startNATS} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	for _, p := range o.Peers {
		r.Targets = append(r.Targets, &Target{Name: p.Name, Path: p.PIDs, url: p.URL, upstream: r.Upstream, load: r.Load})
	}
	for _, t := range r.Targets {
		if err := r.await(ctx, t); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// part starts a part that Close ends.
func (r *Rig) part(ctx context.Context, role string, args ...string) (*Part, error) {
	p, err := startPart(ctx, role, args...)
	if err != nil {
		return nil, err
	}
	r.all = append(r.all, p)
	return p, nil
}

func (r *Rig) startYardsticks(ctx context.Context) (err error) {
	if r.Upstream, err = r.part(ctx, parts.RoleUpstream, "-listen", r.options.UpstreamListen); err != nil {
		return err
	}
	base := "http://" + r.Upstream.Addr
	r.options.Progress("upstream listens on " + base)
	if r.Load, err = r.part(ctx, parts.RoleLoad); err != nil {
		return err
	}
	proxy, err := r.part(ctx, parts.RoleProxy, "-upstream", base)
	if err != nil {
		return err
	}
	r.Targets = append(r.Targets,
		&Target{Name: Direct, url: base, upstream: r.Upstream, load: r.Load},
		&Target{Name: Proxy, url: "http://" + proxy.Addr, Path: []int{proxy.PID()}, upstream: r.Upstream, load: r.Load})
	return nil
}

func (r *Rig) startNATS(ctx context.Context) error {
	dir := filepath.Join(r.dir, "nats")
	asker, err := r.part(ctx, parts.RoleNATS, "-dir", dir)
	if err != nil {
		return err
	}
	echo, err := r.part(ctx, parts.RoleEcho, "-dir", dir, "-server", asker.Addr)
	if err != nil {
		return err
	}
	path := []int{asker.PID(), echo.PID()}
	r.Targets = append(r.Targets,
		&Target{Name: NATS, url: parts.LinkBare, Path: path, load: asker},
		&Target{Name: Streams, url: parts.LinkStreams, Path: path, load: asker})
	return nil
}

// Target returns the target of that name, or nil.
func (r *Rig) Target(name string) *Target {
	for _, t := range r.Targets {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Measured is the result of a job, and the CPU time of processes while it ran: 0 if
// there are no such processes or their time cannot be read.
type Measured struct {
	load.Result
	Path          time.Duration // between load generator and upstream
	Bridge, Agent time.Duration // of these, if the path is one of Fairlead's
	Upstream      time.Duration
	Load          time.Duration // also 0 if the generator is part of the path
}

// Do measures a job on a target.
func (r *Rig) Do(ctx context.Context, t *Target, j load.Job) (Measured, error) {
	j.URL, j.Token, j.CA = t.url, t.token, t.ca
	clocks := [5][]int{t.Path}
	if t.bridge != nil {
		clocks[1], clocks[2] = []int{t.bridge.PID()}, []int{t.agent.PID()}
	}
	if t.HTTP() {
		j.Upstream = t.scheme() + t.upstream.Addr
		clocks[3], clocks[4] = []int{t.upstream.PID()}, []int{t.load.PID()}
	}
	var spent [len(clocks)]time.Duration
	for i, pids := range clocks {
		spent[i] = -cpuTime(pids)
	}
	res, err := t.load.Do(ctx, j)
	if err != nil {
		return Measured{}, fmt.Errorf("%s: %w", t.Name, err)
	}
	for i, pids := range clocks {
		spent[i] += cpuTime(pids)
	}
	return Measured{Result: res, Path: spent[0], Bridge: spent[1], Agent: spent[2], Upstream: spent[3], Load: spent[4]}, nil
}

// cpuTime is the CPU time of processes, 0 if that of one cannot be read.
func cpuTime(pids []int) time.Duration {
	var sum time.Duration
	for _, pid := range pids {
		d, err := CPUTime(pid)
		if err != nil {
			return 0
		}
		sum += d
	}
	return sum
}

// answerWithin bounds how long a target may take to answer for the first time.
const answerWithin = time.Minute

// await returns when the target answers.
func (r *Rig) await(ctx context.Context, t *Target) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	job := load.Job{Op: load.OpUnary, Conns: 1, Millis: 1}
	for {
		_, err := r.Do(ctx, t, job)
		if err == nil {
			r.options.Progress("target " + t.Name + " answers")
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond): // agents and peers do not announce that they are up
		case <-ctx.Done():
			return fmt.Errorf("no answer within %s: %w", answerWithin, err)
		}
	}
}

// Close stops all processes and removes the working folder.
func (r *Rig) Close() error {
	var errs []error
	for i := len(r.all) - 1; i >= 0; i-- {
		r.all[i].Stop()
	}
	for _, s := range append(r.traced, r.identity, r.tls) {
		if s != nil {
			errs = append(errs, s.Stop())
		}
	}
	if r.collector != nil {
		r.collector.Close()
	}
	if r.issuer != nil {
		r.issuer.Stop()
	}
	if r.system != nil {
		errs = append(errs, r.system.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(r.dir))...)
}
