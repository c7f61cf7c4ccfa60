//go:build !unix

package terminal

import "time"

// sizePoll is how often the size is looked at where no signal tells of it.
const sizePoll = 250 * time.Millisecond

// watchSize tells now and then that the terminal's size may have changed.
func watchSize() (changed <-chan struct{}, stop func()) {
	c, done := make(chan struct{}), make(chan struct{})
	go func() {
		t := time.NewTicker(sizePoll)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				select {
				case c <- struct{}{}:
				case <-done:
					return
				}
			case <-done:
				return
			}
		}
	}()
	return c, func() { close(done) }
}
