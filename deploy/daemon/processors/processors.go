package processors

import (
	"context"
	"os"
	"runtime"
	"time"
)

const (
	// interval is the time between two looks at what was used. A look costs some
	// microseconds; a burst waits for processors for as long as it takes to look twice.
	interval = time.Second
	// busy is the share of one processor from which on it is not enough. Below it goroutines
	// seldom wait for each other; at 1 they would always.
	busy = 0.75
	// calm is the share of one processor below which one is enough again, and calmFor for how
	// long it must be below: a change stops all goroutines for a moment.
	calm    = 0.5
	calmFor = 30 * time.Second
)

// Follow has the process use one processor, and all that Go would give it while one is not
// enough, until ctx ends. Then it has all again. Where GOMAXPROCS is set, or the system does
// not tell the CPU time that the process uses, it only waits for the end of ctx. It returns
// nil.
func Follow(ctx context.Context) error {
	if told && os.Getenv("GOMAXPROCS") == "" {
		follow(ctx, used, give)
	}
	<-ctx.Done()
	return nil
}

// give gives the process all processors, or one.
func give(all bool) {
	if all {
		runtime.SetDefaultGOMAXPROCS() // also follows CPU limits from now on
	} else {
		runtime.GOMAXPROCS(1)
	}
}

// follow calls set with whether the process shall have all processors or one: at first one,
// in the end all. used is the CPU time that it has used so far.
func follow(ctx context.Context, used func() time.Duration, set func(all bool)) {
	set(false)
	defer set(true)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	all := false
	last, before := time.Now(), used()
	worked := last // when one processor would last have been too little
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, total := time.Now(), used()
		share := float64(total-before) / float64(max(now.Sub(last), 1))
		last, before = now, total
		if share >= calm {
			worked = now
		}
		if !all && share >= busy || all && now.Sub(worked) >= calmFor {
			all = !all
			set(all)
		}
	}
}
