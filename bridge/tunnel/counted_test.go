package tunnel

import (
	"sync"
	"testing"
)

// TestWaitDuringUpgrades: a drain whose time is over waits for the connections
// that are upgraded by then, while running requests still upgrade others.
func TestWaitDuringUpgrades(t *testing.T) {
	var tun Tunnel
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20_000 {
				tun.upgraded.add()()
			}
		})
		all.Go(func() {
			for range 20_000 {
				tun.Wait()
			}
		})
	}
	all.Wait()
	if n := tun.Upgraded(); n != 0 {
		t.Errorf("%d connections are left, want none", n)
	}
	done := tun.upgraded.add()
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		tun.Wait()
	}()
	select {
	case <-waited:
		t.Error("Wait returned before the connection ended")
	default:
	}
	done()
	<-waited
}
