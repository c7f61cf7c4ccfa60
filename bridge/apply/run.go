package apply

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/ndjson"
)

// applier applies the objects of one body. Its goroutines share it.
type applier struct {
	*options
	cluster   string // as the caller wrote it
	requestID string
	client    *client
	discovery *discovery
	out       *ndjson.Stream
	cancel    context.CancelFunc // of all requests
	begun     time.Time

	mu      sync.Mutex
	summary api.ApplySummary
	// ended is why nothing more is attempted; nil: it is.
	ended *answer.Failure
	// uids are the objects that were applied, and keys their names: one may have been made
	// again meanwhile.
	uids map[string]bool
	keys map[key]bool
	// definitions are those of the body that were applied.
	definitions map[schema.GroupKind]*definitionState
}

// run applies the objects and writes a result for each, and the summary.
func (a *applier) run(ctx context.Context, all []*object) {
	for i, phase := range ordered(all) {
		each(phase, func(o *object) { a.one(ctx, o) })
		if i == phaseOf(definition) {
			a.awaitDefinitions(ctx, all)
		}
	}
	if a.prune != nil {
		a.deleteOthers(ctx, all)
	}
	a.summary.DryRun, a.summary.Duration = a.dryRun, time.Since(a.begun).String()
	_ = a.out.Write(api.ApplyLine{Summary: &a.summary}) // the stream keeps its error
}

func (a *applier) one(ctx context.Context, o *object) {
	if f := a.over(ctx); f != nil {
		a.report(a.failed(&api.ApplyResult{Object: o.reference(a.namespace)}, f))
		return
	}
	a.report(a.patch(ctx, o))
}

// over is why nothing more is attempted; nil: it is.
func (a *applier) over(ctx context.Context) *answer.Failure {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.ended != nil:
		said := *a.ended
		said.Detail = "not attempted, since an earlier request failed: " + said.Detail
		return &said
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return answer.Failf(answer.TimedOut, "not attempted: the time of %s for the whole body is over", a.timeout).
			Timed(answer.TimeLimit{Of: a.timeoutOf, After: a.timeout})
	case ctx.Err() != nil: // a drain was too long, or no client is left to read this
		return answer.Failf(answer.Stopping, "not attempted: %w", context.Cause(ctx))
	}
	return nil
}

// failed makes r the result of a failure.
func (a *applier) failed(r *api.ApplyResult, f *answer.Failure) *api.ApplyResult {
	if general(f) {
		a.mu.Lock()
		if a.ended == nil {
			a.ended = f
		}
		a.mu.Unlock()
	}
	r.Action, r.Problem = api.ApplyFailed, f.For(a.cluster).Problem(a.requestID)
	return r
}

// applied notes an object that is as the body has it.
func (a *applier) applied(o *object, now *state) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.uids[now.Metadata.UID] = true
	a.keys[key{o.gvk.GroupKind(), o.place(a.namespace), o.name}] = true
	if o.gvk.GroupKind() == definition {
		a.define(o, now)
	}
}

// report counts a result and writes it. If the client takes no more, everything ends.
func (a *applier) report(r *api.ApplyResult) {
	a.mu.Lock()
	switch r.Action {
	case api.ApplyCreated:
		a.summary.Created++
	case api.ApplyConfigured:
		a.summary.Configured++
	case api.ApplyUnchanged:
		a.summary.Unchanged++
	case api.ApplyPruned:
		a.summary.Pruned++
	default:
		a.summary.Failed++
	}
	a.mu.Unlock()
	if a.out.Write(api.ApplyLine{Result: r}) != nil {
		a.cancel()
	}
}
