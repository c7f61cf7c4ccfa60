package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead-io/fairlead/bench/parts"
	"github.com/fairlead-io/fairlead/bench/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if role := os.Getenv(rig.RoleEnv); role != "" {
		return parts.Run(ctx, role, args, parts.IO{In: os.Stdin, Out: stdout})
	}
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if o.kube {
		return benchKube(ctx, o, stdout, stderr)
	}
	return bench(ctx, o, stdout, stderr)
}

// options are the settings of a run.
type options struct {
	rounds         int
	round          time.Duration
	watches        int // held while memory is read
	idle           int // agents without work, the larger number
	idleBlocks     int // pairs of few and many idle agents
	upstreamListen string
	wss, identity  bool
	tracing, tls   bool
	peers          []rig.Peer
	out            string // Markdown file whose results are replaced
	json           string
	profiles       string         // folder for CPU profiles
	only           *regexp.Regexp // figures to be measured, by name or description; nil: all
	targets        *regexp.Regexp // that are measured in the rounds, by name; nil: all
	command        string         // the command line for the report

	kube              bool // measure a real API server instead
	kubeconfig, image string
	quick             bool
}

// quick are the settings of a run that only shows that everything works.
var quick = options{rounds: 1, round: 40 * time.Millisecond, watches: 50, idle: 25, idleBlocks: 1}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{command: strings.TrimSpace("go run ./bench " + strings.Join(args, " "))}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, "Measure Fairlead beside its yardsticks; see bench/README.md.\n\n"+
			"  go run ./bench\n  go run ./bench -quick\n"+
			"  go run ./bench -upstream-listen 127.0.0.1:9000 -peer chisel=http://127.0.0.1:9001\n\nFlags:\n")
		fs.PrintDefaults()
	}
	fs.IntVar(&o.rounds, "rounds", 12, "`number` of rounds; each measures everything once")
	fs.DurationVar(&o.round, "round", 400*time.Millisecond, "`time` for one figure of one target in a round")
	fs.IntVar(&o.watches, "watches", 2000, "`number` of idle watches held while memory is read; 0 leaves that out")
	fs.IntVar(&o.idle, "idle-agents", 1000, "`number` of idle agents whose effect is measured; 0 leaves that out")
	fs.IntVar(&o.idleBlocks, "idle-blocks", 3, "how `often` to go from few idle agents to many and back")
	fs.Func("only", "measure only figures whose name or description matches this regular `expression`", func(v string) (err error) {
		o.only, err = regexp.Compile(v)
		return err
	})
	fs.Func("targets", "measure figures only of targets whose name matches this regular `expression`", func(v string) (err error) {
		o.targets, err = regexp.Compile(v)
		return err
	})
	fs.BoolVar(&o.quick, "quick", false, "a short run that only shows that everything works")
	fs.BoolVar(&o.identity, "identity", false, "also measure the tunnel with ID tokens, 200 grants, impersonation and audit, and without them for a token as long")
	fs.BoolVar(&o.tracing, "tracing", false, "also measure the tunnel with spans of 1 and of 100 percent of its requests")
	fs.BoolVar(&o.tls, "tls", true, "also measure direct, proxy and tunnel with HTTPS and HTTP/2 on both sides")
	fs.StringVar(&o.upstreamListen, "upstream-listen", "127.0.0.1:0", "`address` of the upstream, for peers to forward to")
	fs.BoolVar(&o.wss, "wss", false, "also measure an agent over WebSocket")
	fs.Func("peer", "`name=url` of another tunnel that forwards to the upstream (repeatable)", o.addPeer)
	fs.Func("peer-pids", "`name=pid,pid` of the processes of a peer given before, for its CPU time", o.addPIDs)
	fs.BoolVar(&o.kube, "kube", false, "measure a real API server instead, directly and through the tunnel; of the other flags -rounds, -quick, -out and -json count")
	fs.StringVar(&o.kubeconfig, "kubeconfig", "", "`file` of an administrator of the cluster for -kube; by default a Kubernetes of test/kube is started")
	fs.StringVar(&o.image, "image", "", "`image` of a pod for -kube, with sh, cat and tar")
	fs.StringVar(&o.out, "out", "", "Markdown `file` whose results are replaced, such as bench/README.md; not with -quick")
	fs.StringVar(&o.json, "json", "", "`file` for all figures as JSON")
	fs.StringVar(&o.profiles, "profile", "", "`folder` for CPU profiles of bridge and agent")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if o.quick {
		o.out = "" // its results are not worth keeping
		o.rounds, o.round, o.watches, o.idle, o.idleBlocks = quick.rounds, quick.round, quick.watches, quick.idle, quick.idleBlocks
	}
	return o, o.validate()
}

func (o *options) addPeer(v string) error {
	name, url, ok := strings.Cut(v, "=")
	if !ok || name == "" || !strings.HasPrefix(url, "http://") {
		return errors.New("not like name=http://127.0.0.1:9001")
	}
	if slices.Contains(rig.Own, name) {
		return fmt.Errorf("the name %s is taken", name)
	}
	o.peers = append(o.peers, rig.Peer{Name: name, URL: url})
	return nil
}

func (o *options) addPIDs(v string) error {
	name, list, _ := strings.Cut(v, "=")
	for i := range o.peers {
		if o.peers[i].Name != name {
			continue
		}
		for s := range strings.SplitSeq(list, ",") {
			pid, err := strconv.Atoi(s)
			if err != nil {
				return fmt.Errorf("process id: %w", err)
			}
			o.peers[i].PIDs = append(o.peers[i].PIDs, pid)
		}
		return nil
	}
	return fmt.Errorf("no -peer %q before it", name)
}

// validate returns an error that names the first invalid flag.
func (o *options) validate() error {
	switch {
	case o.rounds < 1 || o.rounds > 1000:
		return fmt.Errorf("-rounds: %d is not between 1 and 1000", o.rounds)
	case o.round < 10*time.Millisecond || o.round > 30*time.Second:
		return fmt.Errorf("-round: %s is not between 10ms and 30s", o.round)
	case o.watches < 0 || o.watches > 4000:
		return fmt.Errorf("-watches: %d is not between 0 and 4000", o.watches)
	case o.idle != 0 && (o.idle <= fewIdle || o.idle > 4000):
		return fmt.Errorf("-idle-agents: %d is neither 0 nor between %d and 4000", o.idle, fewIdle+1)
	case !o.kube && (o.kubeconfig != "" || o.image != ""):
		return errors.New("-kubeconfig and -image: they need -kube")
	case o.idleBlocks < 1 || o.idleBlocks > 20:
		return fmt.Errorf("-idle-blocks: %d is not between 1 and 20", o.idleBlocks)
	}
	return nil
}

// progressTo returns what prints a line of progress, with the time since start.
func progressTo(w io.Writer, start time.Time) func(format string, args ...any) {
	return func(format string, args ...any) {
		fmt.Fprintf(w, "%6.1fs  %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
}

// bench runs everything and reports.
func bench(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	// This process only starts parts and waits. Its garbage collection must not
	// disturb them, so it is off below the memory limit.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(256 << 20)
	start := time.Now()
	progress := progressTo(stderr, start)
	report := newReport(ctx, o)
	r, err := rig.Start(ctx, rig.Options{
		UpstreamListen: o.upstreamListen, Peers: o.peers, WSS: o.wss, Identity: o.identity, Tracing: o.tracing, TLS: o.tls,
		Progress: func(s string) { progress("%s", s) },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	b := &runner{options: o, rig: r, report: report, progress: progress}
	for _, step := range []func(context.Context) error{b.rounds, b.memory, b.idle, b.profile} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	report.conclude()
	report.Seconds = time.Since(start).Seconds()
	return report.write(o, stdout)
}

// runner runs the measurements.
type runner struct {
	options  options
	rig      *rig.Rig
	report   *Report
	progress func(format string, args ...any)
}
