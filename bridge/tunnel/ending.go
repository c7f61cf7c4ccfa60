package tunnel

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tunnel/socket"
	"github.com/fairlead-io/fairlead/subjects"
)

// What is said after the reason why a caller may no longer reach a cluster.
const (
	notExecuted    = "; nothing was executed"
	outcomeUnknown = "; the outcome is unknown"
)

// revocation returns why the bridge ends the request that ctx governs: its caller
// may no longer reach the cluster. nil: it does not, or its time is over.
func revocation(ctx context.Context) *answer.Failure {
	if f, ok := errors.AsType[*answer.Failure](context.Cause(ctx)); ok && f.Kind != answer.ClientGone && f.Kind != answer.TimedOut {
		return f
	}
	return nil
}

// hold makes the request end with its lease. It is for uploads, streamed responses
// and upgraded connections, which last longer than one message.
func (rl *relay) hold() {
	if rl.release != nil {
		return
	}
	ctx, cancel := context.WithCancelCause(rl.ctx)
	rl.cancel = func() { cancel(nil) }
	if rl.x.upload != nil {
		rl.x.upload.watch(cancel)
	}
	rl.ctx, rl.release = rl.lease.Hold(ctx)
}

// endWhenLeaving calls end when the bridge begins to drain, so that the client of
// a watch resumes it at another bridge at once, as it does when an API server
// stops. After unleave, end will not be called, and is not running.
func (rl *relay) endWhenLeaving(end func()) { rl.unleave = after(rl.t.Leaving, end) }

// after calls f when ctx has ended. After stop, f will not be called, and is not running.
func after(ctx context.Context, f func()) (stop func()) {
	ended := make(chan struct{})
	unfollow := context.AfterFunc(ctx, func() {
		defer close(ended)
		f()
	})
	return func() {
		if !unfollow() {
			<-ended
		}
	}
}

// endWatch ends a watch well at a drain. A client that does not read must not keep
// the drain waiting. net/http closes the connection after the response.
func (rl *relay) endWatch() {
	rl.boundWrites()
	rl.x.end()
}

// cutWhenOver ends the response when ctx ends, even if the handler is blocked by a
// client that does not read.
func (rl *relay) cutWhenOver() {
	ctx, st := rl.ctx, rl.x.st
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		rl.boundWrites() // before the handler learns of it: it may write an explanation
		st.Reset(subjects.CodeCanceled, context.Cause(ctx).Error())
	})
	rl.finished = func() {
		if stop() {
			return
		}
		<-cut
		rl.noteRevoked()
		switch {
		case rl.rec.Revoked == nil || rl.rec.Aborted != nil:
			// The client hung up, the server stops, or the connection breaks anyway.
		case !rl.explained:
			rl.rec.Aborted = rl.rec.Revoked
		case rl.r.ProtoMajor == 1: // on HTTP/2 the deadline is the stream's own
			// The connection may serve another request.
			_ = http.NewResponseController(rl.w).SetWriteDeadline(time.Time{})
		}
	}
}

// boundWrites gives the client a moment to take what is written to it.
func (rl *relay) boundWrites() {
	_ = http.NewResponseController(rl.w).SetWriteDeadline(time.Now().Add(socket.Linger))
}

// noteRevoked notes in the record that ctx ended with its lease, if it did.
func (rl *relay) noteRevoked() {
	if f := revocation(rl.ctx); f != nil {
		rl.rec.Revoked = f
	}
}

// withdrawnByOwner returns the failure of a stream that the agent ended because the
// cluster's owner no longer allows the request; nil: it ended for another reason.
func withdrawnByOwner(cluster string, broke error) *answer.Failure {
	if re, ok := errors.AsType[*subjects.ResetError](broke); ok && re.Code == subjects.CodeRevoked {
		return answer.FromReset(cluster, re)
	}
	return nil
}

// refusal returns why the request may not run any more, and notes it in the record; nil:
// broke, why its stream ended, is another reason.
func (rl *relay) refusal(broke error) *answer.Failure {
	if f := revocation(rl.ctx); f != nil {
		return f.For(rl.to.Name)
	}
	f := withdrawnByOwner(rl.to.Name, broke)
	if f != nil {
		rl.rec.Revoked = f
	}
	return f
}

// explain ends a watch whose caller may no longer reach the cluster with an event
// that says why. It returns broke, why the response ended, if that is not the
// reason, or no event can be sent.
func (rl *relay) explain(broke error) error {
	f := rl.refusal(broke)
	if f == nil || !rl.events.Between() {
		return broke
	}
	event, err := rl.events.Last(f.AsStatus(rl.rec.ID))
	if err != nil {
		return err
	}
	n, err := rl.w.Write(event)
	rl.rec.Sent += int64(n)
	if err == nil {
		err = rl.w.(flusher).FlushError()
	}
	if err != nil {
		return broke
	}
	rl.explained = true
	return nil
}
