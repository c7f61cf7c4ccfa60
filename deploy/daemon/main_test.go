package daemon

import (
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The runtime makes channels of its own at the first call. They must not
	// belong to the bubble of whichever test calls [Run] first.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	signal.Stop(signals)
	goleak.VerifyTestMain(m)
}
