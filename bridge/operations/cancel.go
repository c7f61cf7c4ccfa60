package operations

import (
	"errors"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
)

// cancelTries is how often a cancellation looks again at an operation that is changed
// meanwhile. One that is still queued then changes all the time, since its cluster comes and
// goes.
const cancelTries = 5

// cancel takes an operation out of the queue.
func (x *exchange) cancel() *answer.Failure {
	x.rec.Notes = []answer.Note{{Key: "operation", Value: answer.Clip(x.id)}, {Key: "operation-state", Value: string(api.OperationCanceled)}}
	if f := x.rec.Admitted(x.r.Context()); f != nil { // on record before it has an effect
		return f
	}
	for range cancelTries {
		e, v, f := x.find("update")
		if f != nil {
			return f
		}
		switch {
		case v.State == api.OperationCanceled:
			answer.JSON(x.w, x.r, x.rec, http.StatusOK, v.view())
			return nil
		case v.State == api.OperationRunning:
			return answer.Failf(answer.NotQueued, "the operation is running, and may have been executed: it cannot be canceled")
		case v.State != api.OperationQueued:
			return answer.Failf(answer.NotQueued, "the operation has ended: it is %s", v.State)
		}
		v.place(e.Revision)
		v.CanceledBy = x.visit.Caller.Name
		v.Problem = nil
		v.end(api.OperationCanceled, time.Now())
		err := x.write(x.r.Context(), &e, v)
		switch {
		case err == nil:
			answer.JSON(x.w, x.r, x.rec, http.StatusOK, v.view())
			return nil
		case errors.Is(err, kv.ErrUnknown):
			return storeFailure(err, "whether the operation was canceled is not known")
		case !errors.Is(err, kv.ErrConflict):
			return storeFailure(err, "the operation was not canceled")
		}
	}
	return answer.Failf(answer.NotQueued, "the operation was changed again and again meanwhile, and was not canceled")
}
