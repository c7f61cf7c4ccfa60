package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/fairlead-io/fairlead/bench/rig"
)

// Marks around the text that -out replaces.
const (
	beginResults = "<!-- results: begin -->\n"
	endResults   = "<!-- results: end -->"
)

// replaceResults puts text between the marks of a file.
func replaceResults(path, text string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), beginResults)
	_, after, found := strings.Cut(rest, endResults)
	if !ok || !found {
		return errors.New("it has no marks for results")
	}
	return os.WriteFile(path, []byte(before+beginResults+"\n"+text+"\n"+endResults+after), 0o644)
}

func (r *Report) markdown() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "%s, %d cores, %s, %s, commit %s, %s UTC, load average before the run %s.\n",
		m.CPU, m.Cores, m.OS, m.Go, m.Commit, r.Started.Format("2006-01-02 15:04"), m.Load)
	fmt.Fprintf(&b, "%d rounds of %.2g s a figure, %.0f s in all:\n\n```text\n%s\n```\n\n", r.Rounds, r.Round, r.Seconds, r.Command)
	r.aimsTable(&b)
	r.figuresTable(&b)
	r.ratiosTable(&b)
	r.memoryTable(&b)
	return b.String()
}

func (r *Report) aimsTable(b *strings.Builder) {
	b.WriteString("### Aims\n\n| | | aim | measured | quartiles | |\n|---|---|---|---|---|---|\n")
	for _, a := range r.Aims {
		sign := "≤"
		if a.AtLeast {
			sign = "≥"
		}
		between := ""
		if a.Low != 0 || a.High != 0 {
			between = number(a.Low) + " – " + number(a.High)
		}
		fmt.Fprintf(b, "| %d | %s | %s %s %s | %s | %s | %s |\n", a.Number, a.What, sign, number(a.Bound), a.Unit, number(a.Value), between, a.verdict())
	}
}

func (r *Report) figuresTable(b *strings.Builder) {
	b.WriteString("\n### Figures\n\nMedian, and the quartiles around it.\n\n| |")
	for _, t := range r.Targets {
		b.WriteString(" " + t + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(r.Targets)) + "\n")
	for _, f := range r.Figures {
		if len(f.Targets) == 0 {
			continue
		}
		fmt.Fprintf(b, "| %s (%s) |", f.Note, f.Unit)
		for _, t := range r.Targets {
			b.WriteString(" " + spreadText(f.Targets, t) + " |")
		}
		b.WriteString("\n")
	}
}

func spreadText(all map[string]Spread, target string) string {
	s, ok := all[target]
	if !ok || math.IsNaN(s.Median) {
		return ""
	}
	return fmt.Sprintf("**%s** (%s – %s)", number(s.Median), number(s.Low), number(s.High))
}

// ratiosTable compares every target with the plain proxy.
func (r *Report) ratiosTable(b *strings.Builder) {
	b.WriteString("\n### In relation to the plain proxy\n\nMedian of the ratios of figures of the same round.\n\n| |")
	for _, t := range r.Targets {
		b.WriteString(" " + t + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(r.Targets)) + "\n")
	for _, f := range r.Figures {
		if len(f.Targets) == 0 {
			continue
		}
		fmt.Fprintf(b, "| %s |", f.Note)
		for _, t := range r.Targets {
			text := ""
			if s := r.ratio(f.Name, t, rig.Proxy); !math.IsNaN(s.Median) {
				text = number(s.Median)
			}
			b.WriteString(" " + text + " |")
		}
		b.WriteString("\n")
	}
}

func (r *Report) memoryTable(b *strings.Builder) {
	if len(r.Memory) == 0 {
		return
	}
	b.WriteString("\n### Memory and idle agents\n\n| | number | live heap | stacks | resident set | live, left over after |\n|---|---|---|---|---|---|\n")
	for _, m := range r.Memory {
		left := kib(m.Left.Live())
		if m.What == idleAgent {
			left = ""
		}
		fmt.Fprintf(b, "| %s | %d | %s | %s | %s | %s |\n", m.What, m.Count, kib(m.Each.Heap), kib(m.Each.Stack), kib(m.Each.RSS), left)
	}
	if i := r.Idle; i.Many > 0 {
		fmt.Fprintf(b, "\nOne request at a time through the tunnel takes %s us beside %d idle agents and %s us beside %d (p50).\n",
			number(spreadOf(i.AtFew.Tunnel).Median), i.Few, number(spreadOf(i.AtMany.Tunnel).Median), i.Many)
	}
}

// number writes three significant digits, and all digits before the point.
func number(v float64) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return "?"
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
