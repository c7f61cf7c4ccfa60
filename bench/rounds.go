package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/bench/rig"
)

// Names of the figures: the operation, the number of connections, and the value
// that is read.
const (
	p50c1      = "unary c=1 p50"
	p99c1      = "unary c=1 p99"
	ratec16    = "unary c=16 rate"
	ratec64    = "unary c=64 rate"
	p99c64     = "unary c=64 p99"
	cpuc64     = "unary c=64 CPU"
	cpuBridge  = "unary c=64 CPU of bridge"
	cpuAgent   = "unary c=64 CPU of agent"
	cpuLoad    = "unary c=64 CPU of load generator"
	cpuUp      = "unary c=64 CPU of upstream"
	cpuPaced   = "unary c=16 paced CPU"
	ratePaced  = "unary c=16 paced rate"
	down1      = "download 1"
	down4      = "download 4"
	up1        = "upload 1"
	up4        = "upload 4"
	besideP50  = "beside bulk p50"
	besideP99  = "beside bulk p99"
	besideRate = "beside bulk rate"
	watchP50   = "watch lag p50"
	watchP99   = "watch lag p99"
	cancelTime = "cancel"
)

// figure is one number that a measurement yields.
type figure struct {
	name string
	unit string
	note string // title of the row in the tables
	read func(rig.Measured) float64
}

// measurement is one job and the figures that are read from it.
type measurement struct {
	job     load.Job // without target and, for bulk, size
	links   bool     // the links without HTTP can do it too
	figures []figure
}

const (
	watchStreams  = 100
	watchInterval = 50 // milliseconds: 2,000 events a second over all
	// leastWatch, in milliseconds, has some events of each watch in the shortest round too.
	leastWatch    = 4 * watchInterval
	besideStreams = 4
	pacedRate     = 4000 // a second: about half of what the tunnel serves
)

func p50(m rig.Measured) float64    { return m.P50 }
func p99(m rig.Measured) float64    { return m.P99 }
func rate(m rig.Measured) float64   { return m.Rate() }
func mibps(m rig.Measured) float64  { return m.MiBps() }
func cancel(m rig.Measured) float64 { return m.Cancel * 1e3 }

func cpuOfPath(m rig.Measured) float64     { return cpuEach(m.Path, m.Count) }
func cpuOfBridge(m rig.Measured) float64   { return cpuEach(m.Bridge, m.Count) }
func cpuOfAgent(m rig.Measured) float64    { return cpuEach(m.Agent, m.Count) }
func cpuOfLoad(m rig.Measured) float64     { return cpuEach(m.Load, m.Count) }
func cpuOfUpstream(m rig.Measured) float64 { return cpuEach(m.Upstream, m.Count) }

func cpuEach(d time.Duration, n int) float64 {
	return float64(d) / float64(time.Microsecond) / float64(max(n, 1))
}

var measurements = []measurement{
	{job: load.Job{Op: load.OpUnary, Conns: 1}, links: true, figures: []figure{
		{p50c1, "us", "1 KB, one at a time, p50", p50},
		{p99c1, "us", "1 KB, one at a time, p99", p99},
	}},
	{job: load.Job{Op: load.OpUnary, Conns: 16}, links: true, figures: []figure{
		{ratec16, "req/s", "1 KB, 16 at a time", rate},
	}},
	{job: load.Job{Op: load.OpUnary, Conns: 64}, links: true, figures: []figure{
		{ratec64, "req/s", "1 KB, 64 at a time", rate},
		{p99c64, "us", "1 KB, 64 at a time, p99", p99},
		{cpuc64, "us", "CPU a request, 64 at a time", cpuOfPath},
		{cpuBridge, "us", "of it: the bridge, with its broker", cpuOfBridge},
		{cpuAgent, "us", "of it: the agent", cpuOfAgent},
		{cpuLoad, "us", "beside it: CPU of the load generator", cpuOfLoad},
		{cpuUp, "us", "beside it: CPU of the upstream", cpuOfUpstream},
	}},
	{job: load.Job{Op: load.OpUnary, Conns: 16, Rate: pacedRate}, figures: []figure{
		{cpuPaced, "us", "CPU a request, 4,000 a second", cpuOfPath},
		{ratePaced, "req/s", "of which are served", rate},
	}},
	{job: load.Job{Op: load.OpDownload, Conns: 1}, links: true, figures: []figure{
		{down1, "MiB/s", "download, 1 stream", mibps},
	}},
	{job: load.Job{Op: load.OpDownload, Conns: 4}, links: true, figures: []figure{
		{down4, "MiB/s", "download, 4 streams", mibps},
	}},
	{job: load.Job{Op: load.OpUpload, Conns: 1}, figures: []figure{
		{up1, "MiB/s", "upload, 1 stream", mibps},
	}},
	{job: load.Job{Op: load.OpUpload, Conns: 4}, figures: []figure{
		{up4, "MiB/s", "upload, 4 streams", mibps},
	}},
	{job: load.Job{Op: load.OpBeside, Conns: besideStreams}, figures: []figure{
		{besideP50, "us", "1 KB beside 4 downloads, p50", p50},
		{besideP99, "us", "1 KB beside 4 downloads, p99", p99},
		{besideRate, "MiB/s", "those downloads", mibps},
	}},
	{job: load.Job{Op: load.OpWatch, Conns: watchStreams, Interval: watchInterval}, figures: []figure{
		{watchP50, "us", "watch event's lag, 100 streams, p50", p50},
		{watchP99, "us", "watch event's lag, 100 streams, p99", p99},
		{cancelTime, "ms", "100 watches cut: upstream's end", cancel},
	}},
}

// yields reports whether one of m's figures is among names.
func (m *measurement) yields(names []string) bool {
	return slices.ContainsFunc(m.figures, func(f figure) bool { return slices.Contains(names, f.name) })
}

// measures reports whether one of the figures of m is asked for.
func (o *options) measures(m measurement) bool {
	return o.only == nil || slices.ContainsFunc(m.figures, func(f figure) bool {
		return o.only.MatchString(f.name) || o.only.MatchString(f.note)
	})
}

// compares reports whether a target is asked for.
func (o *options) compares(target string) bool {
	return o.targets == nil || o.targets.MatchString(target)
}

// rounds measures everything in every round: measurements in shuffled order,
// and for each the targets, in shuffled order too, right after each other, so
// that a ratio compares figures taken within seconds.
func (b *runner) rounds(ctx context.Context) error {
	sizes, err := b.calibrate(ctx)
	if err != nil {
		return err
	}
	for round := range b.options.rounds {
		for _, m := range rand.Perm(len(measurements)) {
			if !b.options.measures(measurements[m]) {
				continue
			}
			if err := b.measure(ctx, round, m, sizes); err != nil {
				return err
			}
		}
		b.progress("round %d of %d: tunnel %.0f us alone, %.0f req/s of 64, %.0f MiB/s", round+1, b.options.rounds,
			b.report.at(p50c1, rig.Tunnel, round), b.report.at(ratec64, rig.Tunnel, round), b.report.at(down1, rig.Tunnel, round))
	}
	return nil
}

// sizeKey identifies a measurement on a target.
type sizeKey struct {
	measurement int
	target      string
}

func (b *runner) measure(ctx context.Context, round, which int, sizes map[sizeKey]int64) error {
	m := measurements[which]
	for _, i := range rand.Perm(len(b.rig.Targets)) {
		t := b.rig.Targets[i]
		if !t.HTTP() && !m.links || !b.options.compares(t.Name) {
			continue
		}
		j := m.job
		j.Millis, j.Bytes = int(b.options.round.Milliseconds()), sizes[sizeKey{which, t.Name}]
		if j.Op == load.OpWatch {
			j.Millis = max(j.Millis, leastWatch)
		}
		got, err := b.rig.Do(ctx, t, j)
		if err != nil {
			return err
		}
		for _, f := range m.figures {
			if v := f.read(got); v > 0 || f.name == cancelTime {
				b.report.add(f, t.Name, round, v)
			}
		}
	}
	return nil
}

// Bounds of the bytes that one bulk measurement moves.
const (
	probeBytes = 8 << 20
	minBytes   = 4 << 20
	maxBytes   = 8 << 30
)

// calibrate finds how much each target moves in the time of a round. Transfers of a
// fixed size end cleanly, while ones that are cut do not.
func (b *runner) calibrate(ctx context.Context) (map[sizeKey]int64, error) {
	sizes := make(map[sizeKey]int64)
	for i, m := range measurements {
		if m.job.Op != load.OpDownload && m.job.Op != load.OpUpload || !b.options.measures(m) {
			continue
		}
		for _, t := range b.rig.Targets {
			if !t.HTTP() && !m.links || !b.options.compares(t.Name) {
				continue
			}
			j := m.job
			// Twice: the first time also opens connections and fills pools.
			for _, size := range []int64{probeBytes, 4 * probeBytes} {
				j.Bytes = size
				res, err := b.rig.Do(ctx, t, j)
				if err != nil {
					return nil, err
				}
				fits := int64(res.MiBps() * b.options.round.Seconds() * (1 << 20))
				sizes[sizeKey{i, t.Name}] = min(max(fits, minBytes), maxBytes)
			}
		}
	}
	b.progress("calibrated")
	return sizes, nil
}
