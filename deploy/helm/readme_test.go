package helm_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the tables of values into the charts' READMEs")

// The table is between these lines.
const (
	tableBegin = "<!-- values: written by 'go test -run TestReadmeValues -update' in deploy/helm -->\n"
	tableEnd   = "<!-- end of values -->\n"
)

// TestReadmeValues keeps the table of values in a chart's README in step with
// values.yaml, whose comments '# -- ...' are the descriptions.
func TestReadmeValues(t *testing.T) {
	charts, err := filepath.Glob("*/Chart.yaml")
	if err != nil || len(charts) == 0 {
		t.Fatalf("no charts: %v", err)
	}
	for _, chart := range charts {
		chart = filepath.Dir(chart)
		t.Run(chart, func(t *testing.T) {
			path := filepath.Join(chart, "README.md")
			readme, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			before, rest, ok1 := strings.Cut(string(readme), tableBegin)
			old, after, ok2 := strings.Cut(rest, tableEnd)
			if !ok1 || !ok2 {
				t.Fatalf("%s has no place for the table of values:\n%s%s", path, tableBegin, tableEnd)
			}
			table := valuesTable(t, filepath.Join(chart, "values.yaml"))
			if table == old {
				return
			}
			if !*update {
				t.Fatalf("%s does not match values.yaml; run 'go test -run TestReadmeValues -update' in deploy/helm", path)
			}
			if err := os.WriteFile(path, []byte(before+tableBegin+table+tableEnd+after), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func valuesTable(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| value | default | what |\n|---|---|---|\n")
	rows(t, &b, "", document.Content[0])
	return b.String()
}

// rows adds a row for each key with a description, and descends into those without.
func rows(t *testing.T, b *strings.Builder, prefix string, mapping *yaml.Node) {
	t.Helper()
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		what := description(key.HeadComment)
		switch {
		case what != "":
			fmt.Fprintf(b, "| `%s` | `%s` | %s |\n", name, defaultOf(t, value), what)
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			rows(t, b, name+".", value)
		}
	}
}

// description is the last line '# -- ...' of a comment.
func description(comment string) (what string) {
	for line := range strings.Lines(comment) {
		if text, ok := strings.CutPrefix(line, "# -- "); ok {
			what = strings.TrimSpace(text)
		}
	}
	return strings.ReplaceAll(what, "|", `\|`)
}

// defaultOf is a value in one line.
func defaultOf(t *testing.T, value *yaml.Node) string {
	t.Helper()
	flow(value)
	out, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func flow(n *yaml.Node) {
	n.Style |= yaml.FlowStyle
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	if n.Kind == yaml.ScalarNode {
		n.Style &^= yaml.FlowStyle
	}
	for _, c := range n.Content {
		flow(c)
	}
}
