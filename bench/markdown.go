package main

import (
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/fairlead-io/fairlead/bench/rig"
)

// Sections of a file that -out replaces, between marks.
const (
	resultsSection = "results"
	kubeSection    = "kube"
)

func beginMark(section string) string { return "<!-- " + section + ": begin -->\n" }
func endMark(section string) string   { return "<!-- " + section + ": end -->\n" }

// replaceSection puts text between the marks of a section of a file.
func replaceSection(path, section, text string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), beginMark(section))
	_, after, found := strings.Cut(rest, endMark(section))
	if !ok || !found {
		return fmt.Errorf("it has no marks of section %s", section)
	}
	return os.WriteFile(path, []byte(before+beginMark(section)+"\n"+text+"\n"+endMark(section)+after), 0o644)
}

func (r *Report) markdown() string {
	var b strings.Builder
	b.WriteString(r.Machine.line(r.Started))
	fmt.Fprintf(&b, "%d rounds of %.2g s a figure, %.0f s in all:\n\n```text\n%s\n```\n\n", r.Rounds, r.Round, r.Seconds, r.Command)
	if r.Quick {
		b.WriteString("A run with -quick: it shows that everything works. Its figures are too short to judge by.\n\n")
	}
	r.aimsTable(&b)
	plain, tls := r.sides()
	b.WriteString("\n### Figures\n\nMedian, and the quartiles around it.\n\n")
	r.figuresTable(&b, plain)
	b.WriteString("\n### In relation to the plain proxy\n\nMedian of the ratios of figures of the same round.\n\n")
	r.ratiosTable(&b, plain, rig.Proxy)
	if len(tls) > 0 {
		b.WriteString("\n### HTTPS and HTTP/2 on both sides\n\n")
		r.figuresTable(&b, tls)
		b.WriteString("\nIn relation to the plain proxy with HTTPS and HTTP/2 on both sides:\n\n")
		r.ratiosTable(&b, tls, rig.ProxyTLS)
	}
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
		verdict := a.verdict()
		if r.Quick {
			verdict = ""
		}
		fmt.Fprintf(b, "| %d | %s | %s %s %s | %s | %s | %s |\n", a.Number, a.What, sign, number(a.Bound), a.Unit, number(a.Value), between, verdict)
	}
}

// sides are the targets with plain HTTP and those with HTTPS.
func (r *Report) sides() (plain, tls []string) {
	for _, t := range r.Targets {
		if t == rig.DirectTLS || t == rig.ProxyTLS || t == rig.TunnelTLS {
			tls = append(tls, t)
		} else {
			plain = append(plain, t)
		}
	}
	return plain, tls
}

func (r *Report) figuresTable(b *strings.Builder, targets []string) {
	r.table(b, targets, func(f *FigureReport) string { return f.Note + " (" + f.Unit + ")" }, func(f *FigureReport, target string) string {
		return spreadText(f.Targets, target)
	})
}

// ratiosTable compares targets with one of them.
func (r *Report) ratiosTable(b *strings.Builder, targets []string, to string) {
	r.table(b, targets, func(f *FigureReport) string { return f.Note }, func(f *FigureReport, target string) string {
		s := r.ratio(f.Name, target, to)
		if math.IsNaN(s.Median) {
			return ""
		}
		return number(s.Median)
	})
}

// table has a row for each figure that a target has, and a column for each target.
func (r *Report) table(b *strings.Builder, targets []string, title func(*FigureReport) string, cell func(*FigureReport, string) string) {
	b.WriteString("| | " + strings.Join(targets, " | ") + " |\n|---|" + strings.Repeat("---|", len(targets)) + "\n")
	for i := range r.Figures {
		f, cells, some := &r.Figures[i], "", false
		for _, t := range targets {
			text := cell(f, t)
			cells += " " + text + " |"
			some = some || text != ""
		}
		if some {
			fmt.Fprintf(b, "| %s |%s\n", title(f), cells)
		}
	}
}

func spreadText(all map[string]Spread, target string) string {
	s, ok := all[target]
	if !ok || math.IsNaN(s.Median) {
		return ""
	}
	return fmt.Sprintf("**%s** (%s – %s)", number(s.Median), number(s.Low), number(s.High))
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
