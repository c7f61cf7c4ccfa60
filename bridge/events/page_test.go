package events

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/bridge/store"
)

// TestTurns: who waits for a place gets it once one is free, and an error of the store if that
// would leave too little time to read.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &Durable{far: make(chan struct{}, farReaders)}
		var leave func()
		for range farReaders {
			var err error
			if leave, err = d.turn(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if _, err := d.turn(t.Context()); !errors.Is(err, store.ErrUnavailable) || time.Since(began) != turnTimeout {
			t.Errorf("with all places taken: %v after %v", err, time.Since(began))
		}
		began = time.Now()
		time.AfterFunc(turnTimeout-1, leave)
		if _, err := d.turn(t.Context()); err != nil || time.Since(began) != turnTimeout-1 {
			t.Errorf("with a place that became free: %v after %v", err, time.Since(began))
		}
	})
}
