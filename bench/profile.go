package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/bench/rig"
)

// profileTime is the duration of each profile: with 100 samples a second and core,
// enough to see functions that take 1 %.
const profileTime = 4 * time.Second

// profile writes CPU profiles of bridge and agent under small requests and
// under bulk.
func (b *runner) profile(ctx context.Context) error {
	dir := b.options.profiles
	if dir == "" {
		return nil
	}
	t := b.rig.Target(rig.Tunnel)
	millis := int(profileTime.Milliseconds())
	bytes := func(name string) int64 {
		return max(int64(b.report.median(name, rig.Tunnel)*profileTime.Seconds())<<20, minBytes)
	}
	for name, j := range map[string]load.Job{
		"unary1":    {Op: load.OpUnary, Conns: 1, Millis: millis},
		"unary64":   {Op: load.OpUnary, Conns: 64, Millis: millis},
		"download4": {Op: load.OpDownload, Conns: 4, Bytes: bytes(down4)},
		"upload4":   {Op: load.OpUpload, Conns: 4, Bytes: bytes(up4)},
	} {
		done := make(chan error, 1)
		go func() { done <- b.rig.Profile(ctx, profileTime, filepath.Join(dir, name)) }()
		_, err := b.rig.Do(ctx, t, j)
		if err := errors.Join(<-done, err); err != nil {
			return err
		}
	}
	b.progress("CPU profiles are in %s", dir)
	return nil
}
