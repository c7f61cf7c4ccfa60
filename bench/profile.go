package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/bench/rig"
)

// profileTime is the duration of each profile: with 100 samples a second and core,
// enough to see functions that take 1 %.
const profileTime = 4 * time.Second

// profiled are the figures while which bridge and agent are profiled.
var profiled = []string{p50c1, ratec64, down4, up4}

// profile writes CPU profiles of bridge and agent under small requests and
// under bulk, of the tunnel and, where they are measured, of those with identities, with
// spans and with HTTPS.
func (b *runner) profile(ctx context.Context) error {
	dir := b.options.profiles
	if dir == "" {
		return nil
	}
	for _, name := range []string{rig.Tunnel, rig.Identity, rig.Traced100, rig.TunnelTLS} {
		t := b.rig.Target(name)
		if t == nil || !b.options.compares(name) {
			continue
		}
		for _, m := range measurements {
			if !b.options.measures(m) || !m.yields(profiled) {
				continue
			}
			j := m.job
			j.Millis = int(profileTime.Milliseconds())
			if j.Op != load.OpUnary {
				j.Bytes = max(int64(b.report.median(m.figures[0].name, name)*profileTime.Seconds())<<20, minBytes)
			}
			prefix := filepath.Join(dir, fmt.Sprintf("%s-%s%d", name, j.Op, j.Conns))
			done := make(chan error, 1)
			go func() { done <- t.Profile(ctx, profileTime, prefix) }()
			got, err := b.rig.Do(ctx, t, j)
			if err := errors.Join(<-done, err); err != nil {
				return err
			}
			b.progress("profiled %s: %d requests", prefix, got.Count)
		}
	}
	b.progress("CPU profiles are in %s", dir)
	return nil
}
