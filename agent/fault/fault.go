package fault

import (
	"context"
	"errors"
	"fmt"

	"github.com/fairlead-io/fairlead/subjects"
)

// Fault is why a request was not executed, or not answered. It is made where
// the cause is known, so that nothing has to guess the code afterwards.
type Fault struct {
	Code subjects.Code
	err  error
}

// Newf returns a fault whose detail is formatted as by [fmt.Errorf]; %w keeps
// the cause. The detail is shown to the caller: it must hold no secret.
func Newf(code subjects.Code, format string, args ...any) *Fault {
	return &Fault{Code: code, err: fmt.Errorf(format, args...)}
}

// Error returns the detail, for people.
func (f *Fault) Error() string { return f.err.Error() }

// Unwrap returns the error that the detail and the causes come from.
func (f *Fault) Unwrap() error { return f.err }

// In returns the fault that err wraps, or nil.
func In(err error) *Fault {
	f, _ := errors.AsType[*Fault](err)
	return f
}

// Interrupted returns the fault that ended ctx, if a fault did; nil otherwise.
// A request's time limit is one.
func Interrupted(ctx context.Context) *Fault {
	if ctx.Err() == nil {
		return nil
	}
	return In(context.Cause(ctx))
}
