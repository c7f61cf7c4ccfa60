package operations

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// parting is how long an operation that is being executed may go on when the bridge
	// stops: its lease lasts for longer without being renewed, and the process gives its
	// parts 5 s. What takes longer is sent again by another bridge.
	parting = 2 * time.Second
	// fenceFor is how long a greater fencing number keeps a holder away. Who has it is gone
	// then: an attempt takes no more than [callTimeout]. It is greater for good where the
	// stream of leases was lost, and they begin again.
	fenceFor = 3 * time.Minute
	// Pauses before the result of an operation is written again that could not be.
	minRetry = 100 * time.Millisecond
	maxRetry = 2 * time.Second
)

// worker executes the operations of one cluster, one after the other, while this bridge
// has the cluster's lease.
type worker struct {
	*Service
	ref   subjects.ClusterRef
	since time.Time
	stop  context.CancelFunc
	log   *slog.Logger
	held  bool // guarded by dispatcher.mu

	ctx   context.Context // of what is being executed: it ends with the lease
	fence uint64
}

// leaseOf is the name of a cluster's lease: an underscore is in no name.
func leaseOf(ref subjects.ClusterRef) string { return "operations_" + ref.Tenant + "_" + ref.Cluster }

// run waits for the lease, works, and gives the lease back. It ends with ctx.
func (w *worker) run(ctx context.Context) {
	err := w.keeper.Hold(ctx, leaseOf(w.ref), func(held context.Context, fence uint64) {
		defer w.stop()
		w.Service.work.hold(w)
		w.fence = fence
		var release func()
		w.ctx, release = w.linger(held)
		defer release()
		w.drain(held)
	})
	if err != nil {
		w.log.Error("the lease of a cluster's operations has a bad name", "error", err)
	}
}

// linger returns a context that ends at once when the lease is lost, and a while after
// the bridge has begun to stop.
func (w *worker) linger(held context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(held))
	stop := context.AfterFunc(held, func() {
		if w.Service.work.ctx.Err() == nil {
			cancel()
			return
		}
		t := time.NewTimer(parting)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel()
		stop()
	}
}

// drain executes what is queued until there is nothing, or something must wait.
func (w *worker) drain(held context.Context) {
	if err := w.sync(held); err != nil {
		w.log.Warn("a cluster's operations could not be read", "error", err)
		w.Service.work.rest(w.ref)
		return
	}
	for held.Err() == nil {
		e := w.index.head(w.ref)
		if e == nil {
			w.Service.work.progress(w.ref)
			return
		}
		if !w.step(e) {
			w.Service.work.rest(w.ref)
			return
		}
	}
}

// sync reads all operations of the cluster: the index may be behind what the holder before
// has done.
func (w *worker) sync(ctx context.Context) error {
	entries, err := w.bucket.List(ctx, prefixOf(w.ref))
	if err != nil {
		return err
	}
	for i := range entries {
		if v, err := decode(entries[i].Key, entries[i].Value); err == nil {
			w.index.put(entryOf(&entries[i], v), true)
		}
	}
	return nil
}

// step brings the first operation of the queue further. False says that the cluster must
// be left alone for a while.
func (w *worker) step(first *entry) bool {
	e, err := w.bucket.Get(w.ctx, keyOf(w.ref, first.id))
	if err != nil {
		w.log.Warn("an operation could not be read", "operation", first.id, "error", err)
		return false
	}
	v, err := decode(e.Key, e.Value)
	if err != nil {
		w.log.Error("an operation cannot be executed", "operation", first.id, "error", err)
		return false
	}
	if !open(v.State) {
		w.index.put(entryOf(&e, v), true)
		return true
	}
	if v.Fence > w.fence && time.Since(e.Time) < fenceFor {
		w.log.Error("another bridge executes the cluster's operations; this one leaves them alone", "fence", w.fence, "other", v.Fence)
		return false
	}
	repeated := v.State == api.OperationRunning // the bridge before, or this one, may have sent it
	if !time.Now().Before(v.Expires) {
		return w.late(&e, v, repeated)
	}
	v.place(e.Revision)
	v.State, v.Fence, v.Bridge = api.OperationRunning, w.fence, w.Bridge
	v.Attempts++
	if v.Started.IsZero() {
		v.Started = time.Now().UTC()
	}
	if err := w.write(w.ctx, &e, v); err != nil {
		if errors.Is(err, kv.ErrConflict) { // it was canceled, or has expired
			return w.again(&e)
		}
		w.log.Warn("an operation could not be begun", "operation", v.ID, "error", err)
		return false
	}
	w.log.Info("operation begun", "operation", v.ID, "attempt", v.Attempts, "caller", v.Caller.Name, "request", v.Request)
	o := w.execute(w.ctx, v, repeated)
	return w.finish(&e, v, o)
}

// again reads an operation that was changed meanwhile.
func (w *worker) again(e *kv.Entry) bool {
	now, err := w.bucket.Get(w.ctx, e.Key)
	if err != nil {
		return false
	}
	v, err := decode(now.Key, now.Value)
	if err != nil {
		return false
	}
	w.index.put(entryOf(&now, v), true)
	return true
}

// late ends an operation whose time is over.
func (w *worker) late(e *kv.Entry, v *value, repeated bool) bool {
	if repeated {
		v.Problem = &api.OperationProblem{Code: "outcome-unknown", Detail: "an attempt had no answer, and it may not be repeated after its end"}
		return w.finish(e, v, outcome{state: api.OperationUnknown, result: v.Result, problem: v.Problem})
	}
	v.expired(e)
	err := w.write(w.ctx, e, v)
	return err == nil || errors.Is(err, kv.ErrConflict) && w.again(e)
}

// finish writes what an attempt came to. It goes on trying until the lease ends: what is
// not written is repeated by the next holder.
func (w *worker) finish(e *kv.Entry, v *value, o outcome) bool {
	now := time.Now()
	v.place(e.Revision)
	v.Result, v.Problem = o.result, o.problem
	v.Fence, v.Bridge = w.fence, w.Bridge
	if o.sent {
		v.Sent++
	}
	if open(o.state) {
		v.State = o.state
	} else {
		v.end(o.state, now)
	}
	for wait := minRetry; ; wait = min(2*wait, maxRetry) {
		err := w.write(w.ctx, e, v)
		if errors.Is(err, kv.ErrConflict) && w.isWritten(e, v) {
			err = nil
		}
		if err == nil {
			break
		}
		w.log.Warn("the result of an operation could not be written", "operation", v.ID, "state", v.State, "error", err)
		if errors.Is(err, kv.ErrConflict) {
			return false // the next holder has it
		}
		if !sleep.For(w.ctx, wait) {
			return false
		}
	}
	if open(v.State) {
		w.log.Info("operation not executed yet", "operation", v.ID, "state", v.State, "problem", o.text())
		return false
	}
	w.metrics.ended(v.State)
	w.log.Info("operation ended", "operation", v.ID, "state", v.State, "attempts", v.Attempts, "answer", o.text())
	return true
}

// isWritten reports whether a value is in the bucket: the answer to the write of it was
// lost.
func (w *worker) isWritten(e *kv.Entry, v *value) bool {
	now, err := w.bucket.Get(w.ctx, e.Key)
	if err != nil || string(now.Value) != string(v.encode()) {
		return false
	}
	*e = now
	w.index.put(entryOf(e, v), true)
	return true
}
