package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/fairlead-io/fairlead/bench/rig"
)

// Report has all results of a run. -json writes it as JSON.
type Report struct {
	Machine Machine        `json:"machine"`
	Command string         `json:"command"`
	Started time.Time      `json:"started"`
	Seconds float64        `json:"seconds"`
	Rounds  int            `json:"rounds"`
	Quick   bool           `json:"quick,omitempty"`
	Round   float64        `json:"round_seconds"`
	Targets []string       `json:"targets"`
	Figures []FigureReport `json:"figures"`
	Memory  []MemoryReport `json:"memory,omitempty"`
	Idle    IdleReport     `json:"idle"`
	Aims    []Aim          `json:"aims"`
}

// FigureReport is one figure of all targets.
type FigureReport struct {
	Name    string             `json:"name"`
	Unit    string             `json:"unit"`
	Note    string             `json:"note"`
	Targets map[string]Spread  `json:"targets"`
	Samples map[string]Samples `json:"samples"` // by target
}

// MemoryReport is the memory of one idle watch or agent, measured with many, in
// bytes.
type MemoryReport struct {
	What  string     `json:"what"`
	Count int        `json:"count"`
	Each  rig.Memory `json:"each"`
	Left  rig.Memory `json:"left"` // growth that remains after all have ended
}

// IdleReport compares the latency of requests beside few and many idle agents.
type IdleReport struct {
	Few    int       `json:"few"`
	Many   int       `json:"many"`
	AtFew  IdleBlock `json:"at_few"`
	AtMany IdleBlock `json:"at_many"`
	Ratio  float64   `json:"ratio"` // of the medians of AtMany.Tunnel and AtFew.Tunnel
}

// IdleBlock has median latencies: of the tunnel in microseconds, and of the tunnel
// in relation to the plain proxy. The latter only shows the state of the machine:
// the agents' heartbeats keep its cores awake, which makes the proxy faster too.
type IdleBlock struct {
	Tunnel Samples `json:"tunnel_us"`
	Ratio  Samples `json:"ratio_to_proxy"`
}

func (r *IdleReport) conclude() {
	r.Ratio = quotient(spreadOf(r.AtMany.Tunnel).Median, spreadOf(r.AtFew.Tunnel).Median)
}

func newReport(ctx context.Context, o options) *Report {
	r := &Report{
		Machine: thisMachine(ctx), Command: o.command, Started: time.Now().UTC().Truncate(time.Second),
		Rounds: o.rounds, Round: o.round.Seconds(), Quick: o.quick,
		Targets: []string{rig.Direct, rig.Proxy, rig.Tunnel},
	}
	if o.identity {
		r.Targets = append(r.Targets, rig.Identity, rig.LongToken)
	}
	if o.tracing {
		r.Targets = append(r.Targets, rig.Traced1, rig.Traced100)
	}
	if o.wss {
		r.Targets = append(r.Targets, rig.WSS)
	}
	for _, p := range o.peers {
		r.Targets = append(r.Targets, p.Name)
	}
	r.Targets = append(r.Targets, rig.NATS, rig.Streams)
	if o.tls {
		r.Targets = append(r.Targets, rig.DirectTLS, rig.ProxyTLS, rig.TunnelTLS)
	}
	for _, m := range measurements {
		for _, f := range m.figures {
			r.Figures = append(r.Figures, FigureReport{
				Name: f.name, Unit: f.unit, Note: f.note,
				Targets: map[string]Spread{}, Samples: map[string]Samples{},
			})
		}
	}
	return r
}

func (r *Report) figure(name string) *FigureReport {
	for i := range r.Figures {
		if r.Figures[i].Name == name {
			return &r.Figures[i]
		}
	}
	panic("bench: no figure " + name)
}

func (r *Report) add(f figure, target string, round int, v float64) {
	s := r.figure(f.name).Samples
	for len(s[target]) < round { // a round in which the figure could not be read
		s[target] = append(s[target], math.NaN())
	}
	s[target] = append(s[target], v)
}

// at is a figure of one round, NaN if it has none.
func (r *Report) at(name, target string, round int) float64 {
	if s := r.figure(name).Samples[target]; round < len(s) {
		return s[round]
	}
	return math.NaN()
}

func (r *Report) samples(name, target string) Samples { return r.figure(name).Samples[target] }

func (r *Report) median(name, target string) float64 {
	return spreadOf(r.samples(name, target)).Median
}

// ratio compares two targets round by round.
func (r *Report) ratio(name, target, to string) Spread {
	return spreadOf(pair(r.samples(name, target), r.samples(name, to), quotient))
}

// conclude computes what depends on all samples.
func (r *Report) conclude() {
	for i := range r.Figures {
		f := &r.Figures[i]
		for target, s := range f.Samples {
			f.Targets[target] = spreadOf(s)
		}
	}
	r.Aims = r.aims()
}

// write prints the report, and writes it to the files that the options name.
func (r *Report) write(o options, stdout io.Writer) error {
	return o.writeReport(r, resultsSection, r.markdown(), stdout)
}

// writeReport writes a report: as JSON and as Markdown, each where the options say, and the
// latter to stdout.
func (o *options) writeReport(report any, section, markdown string, stdout io.Writer) error {
	if o.json != "" {
		b, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return fmt.Errorf("report as JSON: %w", err)
		}
		if err := os.WriteFile(o.json, append(b, '\n'), 0o644); err != nil {
			return fmt.Errorf("report as JSON: %w", err)
		}
	}
	if o.out != "" {
		if err := replaceSection(o.out, section, markdown); err != nil {
			return fmt.Errorf("results in %s: %w", o.out, err)
		}
	}
	_, err := io.WriteString(stdout, markdown)
	return err
}
