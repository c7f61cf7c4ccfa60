package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bench/kube"
)

// KubeReport has the results of a run with -kube. -json writes it as JSON.
type KubeReport struct {
	Machine    Machine   `json:"machine"`
	Command    string    `json:"command"`
	Started    time.Time `json:"started"`
	Seconds    float64   `json:"seconds"`
	Rounds     int       `json:"rounds"`
	Kubernetes string    `json:"kubernetes"`
	NoNode     string    `json:"no_node,omitempty"` // why exec and cp were not measured
	Rows       []KubeRow `json:"rows"`
}

// KubeRow is one figure, of both sides.
type KubeRow struct {
	Note    string             `json:"note"`
	Unit    string             `json:"unit"`
	Samples map[string]Samples `json:"samples"` // by side
}

// benchKube measures what programs with client-go do at a real API server, directly and
// through the tunnel: in each round everything once, the sides right after each other.
func benchKube(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	start := time.Now()
	progress := progressTo(stderr, start)
	r := &KubeReport{Machine: thisMachine(ctx), Command: o.command, Started: start.UTC().Truncate(time.Second), Rounds: o.rounds}
	c, err := kube.Start(ctx, kube.Options{
		Kubeconfig: o.kubeconfig, Image: o.image, Quick: o.quick, Progress: func(s string) { progress("%s", s) },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	r.Kubernetes, r.NoNode = c.Version, c.NoNode
	rows := c.Rows()
	for _, row := range rows {
		r.Rows = append(r.Rows, KubeRow{Note: row.Note, Unit: row.Unit, Samples: map[string]Samples{}})
	}
	for round := -1; round < o.rounds; round++ { // one before them opens connections
		for _, i := range rand.Perm(len(rows)) {
			for _, k := range rand.Perm(len(kube.Sides)) {
				v, err := c.Measure(ctx, rows[i], kube.Sides[k])
				if err != nil {
					return err
				}
				if s := r.Rows[i].Samples; round >= 0 {
					s[kube.Sides[k]] = append(s[kube.Sides[k]], v)
				}
			}
		}
		progress("round %d of %d", round+1, o.rounds)
	}
	r.Seconds = time.Since(start).Seconds()
	return o.writeReport(r, kubeSection, r.markdown(), stdout)
}

func (r *KubeReport) markdown() string {
	var b strings.Builder
	b.WriteString(r.Machine.line(r.Started))
	fmt.Fprintf(&b, "Kubernetes %s, %d rounds, %.0f s in all:\n\n```text\n%s\n```\n\n", r.Kubernetes, r.Rounds, r.Seconds, r.Command)
	direct, tunnel := kube.Sides[0], kube.Sides[1]
	fmt.Fprintf(&b, "| | %s | %s | ratio | quartiles |\n|---|---|---|---|---|\n", direct, tunnel)
	for _, row := range r.Rows {
		ratio := spreadOf(pair(row.Samples[tunnel], row.Samples[direct], quotient))
		quartiles := ""
		if !math.IsNaN(ratio.Low) {
			quartiles = number(ratio.Low) + " – " + number(ratio.High)
		}
		fmt.Fprintf(&b, "| %s (%s) | %s | %s | %s | %s |\n", row.Note, row.Unit, number(spreadOf(row.Samples[direct]).Median),
			number(spreadOf(row.Samples[tunnel]).Median), number(ratio.Median), quartiles)
	}
	if r.NoNode != "" {
		fmt.Fprintf(&b, "\nexec and cp were not measured: %s.\n", r.NoNode)
	}
	return b.String()
}
