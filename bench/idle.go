package main

import (
	"context"
	"math/rand/v2"

	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/bench/rig"
)

// fewIdle is the number of idle agents that many are compared with.
const fewIdle = 10

// idleAgent is the report's name for the cost of an agent without work.
const idleAgent = "an idle agent, on the broker and its bridge"

// idle measures what agents without work cost: the broker's memory for each, and
// the latency of requests to other agents. Few and many idle agents alternate, so
// that a machine that gets slower meanwhile slows both.
func (b *runner) idle(ctx context.Context) error {
	many := b.options.idle
	if many == 0 {
		return nil
	}
	if err := b.rig.SetIdle(ctx, fewIdle); err != nil {
		return err
	}
	before, err := b.rig.BridgeMemory(ctx)
	if err != nil {
		return err
	}
	r := &b.report.Idle
	r.Few, r.Many = fewIdle, many
	for block := range b.options.idleBlocks {
		if err := b.idleBlock(ctx, &r.AtFew); err != nil {
			return err
		}
		if err := b.rig.SetIdle(ctx, many); err != nil {
			return err
		}
		if block == 0 {
			during, err := b.rig.BridgeMemory(ctx)
			if err != nil {
				return err
			}
			b.report.Memory = append(b.report.Memory, MemoryReport{
				What: idleAgent, Count: many - fewIdle,
				Each: each(during.Sub(before), many-fewIdle),
			})
			b.progress("%d idle agents: %s on broker and bridge for each", many, kib(b.report.Memory[len(b.report.Memory)-1].Each.Live()))
		}
		if err := b.idleBlock(ctx, &r.AtMany); err != nil {
			return err
		}
		if err := b.rig.SetIdle(ctx, fewIdle); err != nil {
			return err
		}
	}
	if err := b.idleBlock(ctx, &r.AtFew); err != nil {
		return err
	}
	r.conclude()
	b.progress("latency with %d idle agents is %.2f of that with %d", many, r.Ratio, fewIdle)
	return b.rig.SetIdle(ctx, 0)
}

// idleRounds is how many pairs of figures one block has.
const idleRounds = 6

func (b *runner) idleBlock(ctx context.Context, into *IdleBlock) error {
	job := load.Job{Op: load.OpUnary, Conns: 1, Millis: int(b.options.round.Milliseconds())}
	for range idleRounds {
		found := map[string]float64{}
		names := []string{rig.Tunnel, rig.Proxy}
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names {
			res, err := b.rig.Do(ctx, b.rig.Target(name), job)
			if err != nil {
				return err
			}
			found[name] = res.P50
		}
		into.Tunnel = append(into.Tunnel, found[rig.Tunnel])
		into.Ratio = append(into.Ratio, found[rig.Tunnel]/found[rig.Proxy])
	}
	return nil
}
