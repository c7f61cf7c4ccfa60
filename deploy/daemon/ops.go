package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/pflag"
)

// Bounds of the ops listener. Writes have no bound, since a CPU profile takes as
// long as the caller asks for.
const (
	opsReadTimeout = 10 * time.Second // no request has a body worth waiting for
	opsIdleTimeout = 2 * time.Minute  // longer than any scrape interval in use
	opsMaxHeader   = 16 << 10         // bytes
	// checkTimeout bounds one check of /livez and /readyz: kubelet's default
	// probe gives up after a second.
	checkTimeout = 900 * time.Millisecond
)

// opsListenFlag is the flag in which the health check finds the address.
const opsListenFlag = "ops-listen"

// OpsOptions configure the ops listener.
type OpsOptions struct {
	Listen string // host:port; "" for no listener
	Pprof  bool   // serve /debug/pprof/
}

// Flags declares --ops-listen, with the given default, and --ops-pprof.
func (o *OpsOptions) Flags(fs *pflag.FlagSet, listen string) {
	fs.StringVar(&o.Listen, opsListenFlag, listen, "`address` of /livez, /readyz and /metrics (plain HTTP; empty for none)")
	fs.BoolVar(&o.Pprof, "ops-pprof", false, "serve /debug/pprof/ on the ops address")
}

// Check says whether one aspect of the process is healthy, with a text in
// either case. It must not block; ctx ends after 0.9 s.
type Check func(ctx context.Context) (good string, err error)

// Ops is the listener for operators: /livez, /readyz and /metrics, for brokers
// /clusterz and, on request, /debug/pprof/. Its methods may be called at any time
// and from any goroutine.
type Ops struct {
	options  OpsOptions
	log      *slog.Logger
	registry *prometheus.Registry
	listener net.Listener // nil without an address
	live     checks
	ready    checks
	cluster  checks
	files    followed
}

// NewOps binds the address at once, so that a port in use fails the start. It
// serves once its component runs.
func NewOps(o OpsOptions, log *slog.Logger) (*Ops, error) {
	ops := &Ops{options: o, log: log, registry: newRegistry()}
	ops.registry.MustRegister(&ops.files)
	if o.Listen == "" {
		return ops, nil
	}
	if err := CheckAddress(opsListenFlag, o.Listen); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("ops-listen: %w", err)
	}
	ops.listener = l
	return ops, nil
}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfoMetric(),
	)
	return r
}

// Live adds a check to /livez. If it keeps failing, the process is restarted.
func (o *Ops) Live(name string, c Check) { o.live.add(name, c) }

// Ready adds a check to /readyz. While it fails, the process gets no requests.
func (o *Ops) Ready(name string, c Check) { o.ready.add(name, c) }

// Cluster adds a check to /clusterz: is the process connected to all the peers
// that it should be connected to? It is for people and scripts that install a
// cluster, not for probes, since an isolated process still serves its clients.
// Without any such check there is no /clusterz.
func (o *Ops) Cluster(name string, c Check) { o.cluster.add(name, c) }

// CheckReady runs the checks of /readyz and returns an error that names those
// that fail, for a listener that must not show the reasons to its clients.
func (o *Ops) CheckReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if text, ok := o.ready.report(ctx, "readyz"); !ok {
		return errors.New(oneLine(text))
	}
	return nil
}

// Registry is where the process's metrics are registered.
func (o *Ops) Registry() *prometheus.Registry { return o.registry }

// Addr is the address of the listener, "" if there is none.
func (o *Ops) Addr() string {
	if o.listener == nil {
		return ""
	}
	return o.listener.Addr().String()
}

// Handler serves the ops paths.
func (o *Ops) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /livez", o.live.handler("livez"))
	mux.Handle("GET /readyz", o.ready.handler("readyz"))
	clusterz := o.cluster.handler("clusterz")
	mux.HandleFunc("GET /clusterz", func(w http.ResponseWriter, r *http.Request) {
		if o.cluster.empty() {
			http.NotFound(w, r) // 200 would claim that something was checked
			return
		}
		clusterz.ServeHTTP(w, r)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(o.log.Handler(), slog.LevelError),
		Registry: o.registry,
	}))
	if o.options.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// Component serves until it is stopped. Put it first: it then stops last, and
// /readyz reports the drain.
func (o *Ops) Component() Component { return Component{Name: "ops listener", Run: o.run} }

func (o *Ops) run(ctx context.Context) error {
	polling, stop := context.WithCancel(ctx)
	var polls sync.WaitGroup
	polls.Go(func() { o.files.poll(polling) })
	defer polls.Wait()
	defer stop()
	if o.listener == nil {
		<-ctx.Done()
		return nil
	}
	server := &http.Server{
		Handler:        o.Handler(),
		ReadTimeout:    opsReadTimeout,
		IdleTimeout:    opsIdleTimeout,
		MaxHeaderBytes: opsMaxHeader,
		ErrorLog:       slog.NewLogLogger(o.log.Handler(), slog.LevelWarn),
		BaseContext:    func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(o.listener) }()
	o.log.Info("ops listener up", "address", o.Addr())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// A running scrape may end; ctx cuts a profile off.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// checks is a list of named checks, in the order in which they were added.
type checks struct {
	mu    sync.Mutex // guards names and funcs
	names []string
	funcs []Check
}

func (c *checks) add(name string, f Check) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names, c.funcs = append(c.names, name), append(c.funcs, f)
}

func (c *checks) empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.funcs) == 0
}

// handler prints every check, as kube-apiserver's verbose form does, with 200 if
// all pass and 503 otherwise.
func (c *checks) handler(what string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		text, ok := c.report(ctx, what)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !ok {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(text)) // fails only if the prober has gone
	})
}

func (c *checks) report(ctx context.Context, what string) (text string, ok bool) {
	c.mu.Lock()
	names, funcs := c.names, c.funcs
	c.mu.Unlock()
	var b strings.Builder
	ok = true
	for i, f := range funcs {
		good, err := f(ctx)
		switch {
		case err != nil:
			ok = false
			fmt.Fprintf(&b, "[-]%s: %s\n", names[i], oneLine(err.Error()))
		case good == "":
			fmt.Fprintf(&b, "[+]%s ok\n", names[i])
		default:
			fmt.Fprintf(&b, "[+]%s %s\n", names[i], oneLine(good))
		}
	}
	if ok {
		fmt.Fprintf(&b, "%s check passed\n", what)
	} else {
		fmt.Fprintf(&b, "%s check failed\n", what)
	}
	return b.String(), ok
}

func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ") }
