package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/bench/rig"
)

// warmWatches are opened and closed before memory is first read, so that one-time
// allocations are not counted.
const warmWatches = 20

// memory measures the cost of an idle watch on each side of the tunnel.
func (b *runner) memory(ctx context.Context) error {
	n := b.options.watches
	if n == 0 {
		return nil
	}
	t := b.rig.Target(rig.Tunnel)
	do := func(op string, conns int) error {
		_, err := b.rig.Do(ctx, t, load.Job{Op: op, Conns: conns})
		return err
	}
	for _, op := range []string{load.OpHold, load.OpRelease} {
		if err := do(op, warmWatches); err != nil {
			return err
		}
	}
	before, err := b.bothSides(ctx)
	if err != nil {
		return err
	}
	if err := do(load.OpHold, n); err != nil {
		return err
	}
	during, err := b.bothSides(ctx)
	if err != nil {
		return err
	}
	if err := do(load.OpRelease, n); err != nil {
		return err
	}
	after, err := b.settled(ctx, before)
	if err != nil {
		return err
	}
	for side := range before {
		b.report.Memory = append(b.report.Memory, MemoryReport{
			What: "an idle watch, on the " + sides[side], Count: n,
			Each: each(during[side].Sub(before[side]), n), Left: after[side].Sub(before[side]),
		})
	}
	b.progress("%d idle watches: %s on the bridge, %s on the agent for each", n,
		kib(b.report.Memory[0].Each.Live()), kib(b.report.Memory[1].Each.Live()))
	return nil
}

var sides = [2]string{"bridge", "agent"}

func (b *runner) bothSides(ctx context.Context) (m [2]rig.Memory, err error) {
	if m[0], err = b.rig.BridgeMemory(ctx); err != nil {
		return m, fmt.Errorf("memory of the bridge: %w", err)
	}
	if m[1], err = b.rig.AgentMemory(ctx); err != nil {
		return m, fmt.Errorf("memory of the agent: %w", err)
	}
	return m, nil
}

// settleTime bounds how long both sides take to free memory: goroutines wait a
// second for their next stream before they end.
const settleTime = 5 * time.Second

// settled reads the memory until it is about as low as before, or until
// settleTime has passed.
func (b *runner) settled(ctx context.Context, before [2]rig.Memory) ([2]rig.Memory, error) {
	for end := time.Now().Add(settleTime); ; {
		m, err := b.bothSides(ctx)
		near := func(i int) bool { return m[i].Live() < before[i].Live()+before[i].Live()/10 }
		if err != nil || near(0) && near(1) || time.Now().After(end) {
			return m, err
		}
		time.Sleep(settleTime / 10) // a process does not announce that it has freed memory
	}
}

func each(m rig.Memory, n int) rig.Memory {
	return rig.Memory{Heap: m.Heap / int64(n), Stack: m.Stack / int64(n), RSS: m.RSS / int64(n)}
}

func kib(n int64) string { return fmt.Sprintf("%.1f KiB", float64(n)/1024) }
