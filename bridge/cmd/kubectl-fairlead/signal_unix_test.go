//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestSignal: the first signal ends the context and says which code to exit with; without one
// there is none.
func TestSignal(t *testing.T) {
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		ctx, stop := untilSignal(os.Interrupt, syscall.SIGTERM)
		if err := syscall.Kill(os.Getpid(), signal); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
			t.Fatalf("%v ends nothing", signal)
		}
		stop()
		if by, ok := errors.AsType[*signalError](context.Cause(ctx)); !ok || by.exitCode() != code {
			t.Errorf("%v: %v", signal, context.Cause(ctx))
		}
	}
	ctx, stop := untilSignal(os.Interrupt)
	stop()
	if by, ok := errors.AsType[*signalError](context.Cause(ctx)); ok {
		t.Errorf("ended by %v, which nobody sent", by)
	}
}
