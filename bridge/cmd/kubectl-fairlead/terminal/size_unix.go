//go:build unix

package terminal

import (
	"os"
	"os/signal"
	"syscall"
)

// watchSize tells of changes of the terminal's size.
func watchSize() (changed <-chan struct{}, stop func()) {
	signals, c, done := make(chan os.Signal, 1), make(chan struct{}, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGWINCH)
	go func() {
		for {
			select {
			case <-signals:
				select {
				case c <- struct{}{}:
				default: // it is told already
				}
			case <-done:
				return
			}
		}
	}()
	return c, func() { signal.Stop(signals); close(done) }
}
