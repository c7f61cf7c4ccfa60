package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	// StopTimeout bounds how long [Run] waits, after the drain, for a component
	// whose context has ended: it covers closing connections, nothing else.
	StopTimeout = 5 * time.Second
	// drainGrace is how much later than its context a Drain may return: it covers
	// cutting what did not end by itself. With StopTimeout it fits into the ten
	// seconds that the charts give a pod beyond its drain timeout.
	drainGrace = 3 * time.Second
)

// Component is one part of a process, with a lifetime.
type Component struct {
	// Name is used in errors and log lines.
	Name string
	// Run does the work until ctx ends, and returns soon after that. Returning
	// earlier, with or without an error, stops the whole process.
	Run func(ctx context.Context) error
	// Drain, if not nil, is called once before Run's context ends: it refuses
	// new work and waits, at most until ctx ends, for running work. Giving up at
	// that bound is not a failure; not returning soon after it is one.
	Drain func(ctx context.Context) error
}

// errStopped is the cause why a component's context ends.
var errStopped = errors.New("stopped")

// Run runs components until ctx ends, the process receives SIGTERM or SIGINT,
// or one of them returns. Then it stops them in the reverse of their order,
// one after the other: Drain, with drain as the bound for all of them
// together, then the end of Run's context. It returns when all have stopped,
// with the errors of those that failed. A component that does not stop in time
// is named in the error and left behind, so that one that hangs keeps neither
// the others nor the process from ending.
//
// A negative drain is a [UsageError], and nothing runs.
//
// A second signal ends the process at once, as if Run had never caught any.
func Run(ctx context.Context, log *slog.Logger, drain time.Duration, components ...Component) error {
	if drain < 0 {
		return Usagef("drain-timeout: %v is negative", drain)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)

	g := start(ctx, components)
	select {
	case s := <-signals:
		// From here on a signal has its default effect again: the end.
		signal.Stop(signals)
		log.Info("stopping; a second signal stops at once", "signal", s.String(), "drain_timeout", drain)
	case <-ctx.Done():
		log.Info("stopping", "reason", context.Cause(ctx))
	case r := <-g.early:
		log.Error("stopping: a component ended", "component", r.component.Name, "error", r.err)
	}
	return g.stop(log, drain)
}

type running struct {
	component Component
	cancel    context.CancelCauseFunc
	done      chan struct{}
	err       error // valid once done is closed
}

type group struct {
	ctx   context.Context
	parts []*running
	early chan *running // the first that returned
}

func start(ctx context.Context, components []Component) *group {
	// Components end in order, so ctx ending must not end them all at once.
	g := &group{ctx: context.WithoutCancel(ctx), early: make(chan *running, 1)}
	for _, c := range components {
		ctx, cancel := context.WithCancelCause(g.ctx)
		r := &running{component: c, cancel: cancel, done: make(chan struct{})}
		g.parts = append(g.parts, r)
		go func() {
			defer cancel(errStopped)
			r.err = c.Run(ctx)
			if r.err == nil && ctx.Err() == nil {
				r.err = errors.New("ended unexpectedly")
			}
			close(r.done)
			select {
			case g.early <- r:
			default:
			}
		}()
	}
	return g
}

// stop ends the components, last first.
func (g *group) stop(log *slog.Logger, drain time.Duration) error {
	ctx, cancel := context.WithTimeout(g.ctx, drain)
	defer cancel()
	var errs []error
	for i := len(g.parts) - 1; i >= 0; i-- {
		r := g.parts[i]
		if err := r.stop(ctx, log); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.component.Name, err))
		}
	}
	return errors.Join(errs...)
}

// stop ends one component. It takes at most as long as drain lasts, drainGrace
// and [StopTimeout].
func (r *running) stop(drain context.Context, log *slog.Logger) error {
	drainErr := r.drain(drain, log)
	r.cancel(errStopped)
	return errors.Join(drainErr, r.wait())
}

// drain calls Drain where there is something to drain. A call that does not
// return is left behind: the process is about to exit.
func (r *running) drain(ctx context.Context, log *slog.Logger) error {
	select {
	case <-r.done:
		return nil
	default:
	}
	if r.component.Drain == nil {
		return nil
	}
	drained := make(chan error, 1)
	go func() { drained <- r.component.Drain(ctx) }()
	var err error
	select {
	case err = <-drained:
	case <-ctx.Done():
		grace := time.NewTimer(drainGrace)
		defer grace.Stop()
		select {
		case err = <-drained:
		case <-grace.C:
			return fmt.Errorf("drain did not return within %s of its bound", drainGrace)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("drain timeout exceeded; stopping with work unfinished", "component", r.component.Name)
		return nil
	}
	return err
}

// wait waits for Run, whose context has ended.
func (r *running) wait() error {
	timeout := time.NewTimer(StopTimeout)
	defer timeout.Stop()
	select {
	case <-r.done:
		if errors.Is(r.err, context.Canceled) || errors.Is(r.err, errStopped) {
			return nil
		}
		return r.err
	case <-timeout.C:
		return fmt.Errorf("did not stop within %s", StopTimeout)
	}
}
