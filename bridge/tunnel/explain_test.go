package tunnel

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func TestExplainEveryState(t *testing.T) {
	since := time.Now().Add(-time.Minute)
	for state, want := range map[directory.State]*answer.Kind{
		directory.Unknown: answer.UnknownCluster, directory.Offline: answer.Offline, directory.Reconnecting: answer.Reconnecting,
		directory.Draining: answer.Draining, directory.Incompatible: answer.Incompatible, directory.Disconnected: answer.BrokerDown,
		directory.Connected: answer.Overloaded,
	} {
		f := Explain(t.Context(), "prod", nil, &directory.UnavailableError{State: state, Since: since})
		if f.Kind != want || f.Detail == "" {
			t.Errorf("%s: %+v", state, f)
		}
	}
	for err, want := range map[error]*answer.Kind{
		tenant.ErrUnknown: answer.UnknownCluster, tenant.ErrReplaced: answer.BrokerDown, tenant.ErrClosed: answer.Stopping, stream.ErrClosed: answer.Stopping, io.ErrUnexpectedEOF: answer.InternalError,
	} {
		if f := Explain(t.Context(), "prod", nil, err); f.Kind != want {
			t.Errorf("%v: %+v", err, f)
		}
	}
	for name, want := range map[string]string{
		"prod.acme": `cluster "prod.acme": the tenant is not known to this bridge`,
		"prod":      `cluster "prod": the tenant is not known to this bridge; without one it is "default", and a cluster of another is written prod.TENANT`,
	} {
		if f := Explain(t.Context(), name, nil, tenant.ErrUnknown); f.Detail != want {
			t.Errorf("%s: %s", name, f.Detail)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrStopping)
	if f := Explain(ctx, "prod", nil, context.Canceled); f.Kind != answer.OutcomeUnknown {
		t.Errorf("while stopping: %+v", f)
	}
}

// TestNobodyIsToldToRepeatWhatMayHaveRun: clients repeat any request whose
// answer has a Retry-After, a POST too.
func TestNobodyIsToldToRepeatWhatMayHaveRun(t *testing.T) {
	for _, c := range subjects.Codes() {
		f := answer.FromReset("prod", &subjects.ResetError{Code: c})
		if f.Kind.Retry != 0 && !c.NotExecuted() {
			t.Errorf("%s: %q may be repeated after %s, and it may have been executed", c, f.Kind.Code, f.Kind.Retry)
		}
	}
	for _, cause := range []error{ErrStopping, context.Canceled, context.DeadlineExceeded} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if f := Explain(ctx, "prod", nil, context.Canceled); f.Kind.Retry != 0 {
			t.Errorf("%v: %q may be repeated after %s, and it may have been executed", cause, f.Kind.Code, f.Kind.Retry)
		}
	}
}
