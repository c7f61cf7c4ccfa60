package allow

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

// Config configures a [Guard].
type Config struct {
	// Path names the file with the list. It may appear later than the agent. "" for none:
	// everything is allowed that [Guard.Restrict] leaves.
	Path string
	// Namespace returns the agent's own namespace, where the list lies; nil where the
	// agent is not in the cluster. Until it succeeds there is no list.
	Namespace func() (string, error)
	// Registry gets the metrics.
	Registry prometheus.Registerer
	// Logger gets the log.
	Logger *slog.Logger
}

// Guard judges requests by a list in a file, which may be replaced at any time. It is
// safe for concurrent use. A nil Guard allows everything.
type Guard struct {
	cfg     Config
	list    atomic.Pointer[List]
	narrow  atomic.Pointer[List] // what the platform has restricted; nil: nothing
	ready   chan struct{}        // closed once there is a list
	refused map[string]prometheus.Counter
	ended   prometheus.Counter

	file *reload.File[*List] // used by the goroutine of Run, and by New before it

	mu      sync.Mutex // guards the rest
	running map[*admission]struct{}
	err     error // why the file as it is now cannot be used
	status  reload.Status
}

// admission is a request that runs.
type admission struct {
	request *Request
	info    *requestinfo.Info
	cancel  context.CancelCauseFunc
}

// New reads the file once. A list that cannot be used is not an error: the guard then
// refuses everything until [Guard.Run] has found a good one.
func New(cfg Config) *Guard {
	g := &Guard{cfg: cfg, ready: make(chan struct{}), running: map[*admission]struct{}{}}
	g.register(cfg.Registry)
	if cfg.Path == "" {
		close(g.ready)
		return g
	}
	g.poll()
	return g
}

// Run keeps the list in step with its file until ctx ends. A change counts within a
// second, for running requests too. It is called once.
func (g *Guard) Run(ctx context.Context) {
	if g.cfg.Path == "" {
		return
	}
	tick := time.NewTicker(reload.PollInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.poll()
		case <-ctx.Done():
			return
		}
	}
}

// Ready is closed once there is a list. That of a nil Guard always is.
func (g *Guard) Ready() <-chan struct{} {
	if g == nil {
		return closed
	}
	return g.ready
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Check is a check for an ops listener. It fails while there is no list.
func (g *Guard) Check(context.Context) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.list.Load() == nil:
		return "", fmt.Errorf("nothing is executed: %w", g.err)
	case g.err != nil:
		return fmt.Sprintf("in force; the changed file is not in use: %v", g.err), nil
	}
	return "in force", nil
}

// Status returns how the list in use and its file stand. It does not block.
func (g *Guard) Status() reload.Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.status
}

// poll reads the file again if it has changed.
func (g *Guard) poll() {
	var list *List
	var err error
	if g.file == nil {
		g.file, err = reload.Open("allow-list", g.cfg.Path, g.cfg.Logger, g.parse) // nil if it fails
	}
	status := reload.Status{Refused: err}
	if g.file != nil {
		list, err = g.file.Poll()
		status = g.file.Status()
	}
	g.mu.Lock()
	g.status = status
	said := g.err != nil && err != nil && g.err.Error() == err.Error()
	g.err = err
	g.mu.Unlock()
	was := g.list.Load()
	switch {
	case list == nil && !said:
		g.cfg.Logger.Error("no usable allow-list: nothing is executed", "error", err)
	case list != was:
		g.list.Store(list)
		if was == nil {
			close(g.ready)
		}
		g.endWhatIsNoLongerAllowed("the allow-list has changed")
	}
}

func (g *Guard) parse(content []byte) (*List, error) {
	own := ""
	if g.cfg.Namespace != nil {
		var err error
		if own, err = g.cfg.Namespace(); err != nil {
			return nil, fmt.Errorf("the agent's own namespace is not known: %w", err)
		}
	}
	return Parse(content, own)
}

// Admit judges a request. One that is allowed runs under the returned context, which is
// cancelled with a [fault.Fault] when a changed list no longer allows it; done must be
// called when the request has ended. One that is not is a fault too.
func (g *Guard) Admit(ctx context.Context, r *Request) (running context.Context, done func(), err error) {
	if g == nil {
		return ctx, func() {}, nil
	}
	info, err := requestinfo.Parse(r.Method, r.Target)
	if err != nil {
		info = nil // it is malformed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	a := &admission{request: r, info: info, cancel: cancel}
	// It is entered before it is judged, so that a list that arrives meanwhile is not
	// missed.
	g.mu.Lock()
	g.running[a] = struct{}{}
	g.mu.Unlock()
	done = func() {
		g.mu.Lock()
		delete(g.running, a)
		g.mu.Unlock()
		cancel(nil)
	}
	if refusal := g.judge(r, info); refusal != nil {
		done()
		return nil, nil, g.refuse(refusal)
	}
	return ctx, done, nil
}

// judge says why a request may not be executed; nil: it may. info is nil if the request
// is malformed.
func (g *Guard) judge(r *Request, info *requestinfo.Info) *Refusal {
	list, narrow := g.list.Load(), g.narrow.Load()
	switch {
	case g.cfg.Path == "" && narrow == nil:
		return nil
	case info == nil:
		return malformed()
	case g.cfg.Path == "":
	case list == nil:
		return refuse(reasonNoList, "all", "the agent has no list that it can use")
	default:
		if refusal := list.judge(r, info); refusal != nil {
			return refusal
		}
	}
	return narrow.restricts(r, info)
}

func (g *Guard) refuse(r *Refusal) error {
	g.refused[r.reason].Inc()
	return fault.Newf(subjects.CodeRefused, "%w", r)
}

// endWhatIsNoLongerAllowed ends running requests that are not allowed any more.
func (g *Guard) endWhatIsNoLongerAllowed(why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for a := range g.running {
		if refusal := g.judge(a.request, a.info); refusal != nil {
			g.ended.Inc()
			a.cancel(fault.Newf(subjects.CodeRevoked, "%s: %w", why, refusal))
		}
	}
}

// register registers the metrics.
func (g *Guard) register(r prometheus.Registerer) {
	const ns = "fairlead_agent_allow_"
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: ns + "refusals_total", Help: "Requests that the allow-list of the cluster's owner, or a restriction of the platform, refused, by reason.",
	}, []string{"reason"})
	g.refused = map[string]prometheus.Counter{}
	for _, reason := range reasons {
		g.refused[reason] = refused.WithLabelValues(reason)
	}
	g.ended = prometheus.NewCounter(prometheus.CounterOpts{
		Name: ns + "ended_total", Help: "Running requests that were ended because a changed allow-list or restriction no longer allowed them.",
	})
	r.MustRegister(refused, g.ended, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: ns + "file_refused", Help: "1 while the file with the allow-list cannot be used as it is.",
	}, func() float64 {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.err != nil {
			return 1
		}
		return 0
	}))
}
