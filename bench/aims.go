package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/fairlead-io/fairlead/bench/rig"
)

// Aim is a bound that Fairlead should keep to, and the measured value.
type Aim struct {
	Number  int     `json:"number"`
	What    string  `json:"what"`
	Value   float64 `json:"value"`
	Low     float64 `json:"low,omitempty"` // quartiles of paired ratios
	High    float64 `json:"high,omitempty"`
	Bound   float64 `json:"bound"`
	AtLeast bool    `json:"at_least"` // otherwise at most
	Unit    string  `json:"unit,omitempty"`
}

// Met reports whether the value is within the bound.
func (a Aim) Met() bool {
	if a.AtLeast {
		return a.Value >= a.Bound
	}
	return a.Value <= a.Bound
}

// verdict says whether the aim was met, or by how much it was missed.
func (a Aim) verdict() string {
	if a.Met() {
		return "met"
	}
	if by := math.Abs(a.Value/a.Bound-1) * 100; by >= 0.5 {
		return fmt.Sprintf("missed by %.0f %%", by)
	}
	return "missed by less than 1 %"
}

// aims compares the figures with the project's aims (README.md). It leaves out
// figures that were not measured in this run.
func (r *Report) aims() []Aim {
	paired := func(number int, what, name, target, to string, bound float64, atLeast bool) Aim {
		s := r.ratio(name, target, to)
		return Aim{Number: number, What: what, Value: s.Median, Low: s.Low, High: s.High, Bound: bound, AtLeast: atLeast}
	}
	aims := r.besideProxy(paired)
	for _, t := range r.peers() {
		aims = append(aims, paired(1, "requests/s of 64, of "+t+"'s", ratec64, rig.Tunnel, t, 1.4, true))
	}

	both := pair(r.samples(cpuc64, rig.Proxy), r.samples(cpuc64, rig.NATS), plus)
	cpu := spreadOf(pair(r.samples(cpuc64, rig.Tunnel), both, quotient))
	aims = append(aims,
		Aim{Number: 3, What: "CPU a request, of proxy + bare NATS", Value: cpu.Median, Low: cpu.Low, High: cpu.High, Bound: 1.25},
		paired(4, "download of 1 stream, of a direct one", down1, rig.Tunnel, rig.Direct, 0.11, true),
		paired(4, "download of 4 streams, of direct ones", down4, rig.Tunnel, rig.Direct, 0.13, true),
		Aim{Number: 5, What: "p50 beside 4 downloads", Value: r.median(besideP50, rig.Tunnel) / 1e3, Bound: 2.5, Unit: "ms"},
		Aim{Number: 5, What: "p99 beside 4 downloads", Value: r.median(besideP99, rig.Tunnel) / 1e3, Bound: 10, Unit: "ms"},
	)
	aims = append(aims, r.streamsAims()...)
	memory := []struct {
		number int
		bound  float64
	}{{7, 40}, {7, 40}, {7, 60}} // in the order in which they are measured
	for i, m := range r.Memory {
		if m.What == idleAgent {
			i = 2
		}
		aims = append(aims, Aim{Number: memory[i].number, What: "memory of " + m.What,
			Value: float64(m.Each.Live()) / 1e3, Bound: memory[i].bound, Unit: "KB"})
	}
	if r.Idle.Many > 0 {
		aims = append(aims, Aim{Number: 8, What: fmt.Sprintf("p50 with %d idle agents, of that with %d", r.Idle.Many, r.Idle.Few),
			Value: r.Idle.Ratio, Bound: 1.10})
	}
	aims = append(aims,
		paired(9, "p50 with identities and audit, of that without", p50c1, rig.Identity, rig.Tunnel, 1.05, false),
		paired(9, "the same, of that with a token as long", p50c1, rig.Identity, rig.LongToken, 1.05, false),
		paired(9, "CPU a request with identities and audit, of that without", cpuc64, rig.Identity, rig.Tunnel, 1.05, false),
		paired(9, "the same, of that with a token as long", cpuc64, rig.Identity, rig.LongToken, 1.05, false),
		paired(9, "the same at 4,000 a second, of that without", cpuPaced, rig.Identity, rig.Tunnel, 1.05, false),
		paired(9, "the same, of that with a token as long", cpuPaced, rig.Identity, rig.LongToken, 1.05, false))
	aims = slices.DeleteFunc(aims, func(a Aim) bool { return math.IsNaN(a.Value) })
	slices.SortStableFunc(aims, func(a, b Aim) int { return cmp.Compare(a.Number, b.Number) })
	return aims
}

// besideProxy are the aims in relation to the proxy, with plain HTTP and with HTTPS and HTTP/2
// on both sides.
func (r *Report) besideProxy(paired func(number int, what, name, target, to string, bound float64, atLeast bool) Aim) []Aim {
	var aims []Aim
	for _, sides := range []struct{ tunnel, proxy, with string }{
		{rig.Tunnel, rig.Proxy, ""}, {rig.TunnelTLS, rig.ProxyTLS, ", HTTPS"},
	} {
		add := func(number int, what, name string, bound float64, atLeast bool) {
			aims = append(aims, paired(number, what+", of the proxy's"+sides.with, name, sides.tunnel, sides.proxy, bound, atLeast))
		}
		add(1, "requests/s of 16", ratec16, 0.80, true)
		add(1, "requests/s of 64", ratec64, 0.85, true)
		add(2, "p50 of one at a time", p50c1, 1.6, false)
		add(4, "download of 1 stream", down1, 0.30, true)
		add(4, "download of 4 streams", down4, 0.30, true)
		add(4, "upload of 1 stream", up1, 0.30, true)
		add(4, "upload of 4 streams", up4, 0.30, true)
	}
	return aims
}

// streamsAims bounds the price of reliability from above. The difference between
// streams and bare messages on the same link is the price of everything that
// streams do; keeping, acknowledging and resending frames are only a part of it.
func (r *Report) streamsAims() []Aim {
	more := func(what, name string) Aim {
		extra := pair(r.samples(name, rig.Streams), r.samples(name, rig.NATS), minus)
		s := spreadOf(pair(extra, r.samples(name, rig.Tunnel), quotient))
		return Aim{Number: 6, What: what, Value: s.Median, Low: s.Low, High: s.High, Bound: 0.10}
	}
	return []Aim{
		more("CPU that streams add to bare NATS, of the tunnel's", cpuc64),
		more("p50 that streams add to bare NATS, of the tunnel's", p50c1),
	}
}

// peers are the targets that flag -peer added.
func (r *Report) peers() []string {
	return slices.DeleteFunc(slices.Clone(r.Targets), func(t string) bool { return slices.Contains(rig.Own, t) })
}
