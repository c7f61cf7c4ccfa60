package compose

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/test/install/compose/substitute"
)

// dashboard is the part of Grafana's format that the tests look at.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct {
		List []struct{ Name, Expr string }
	}
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ Type, UID string }
	Targets                  []struct {
		RefID, Expr string
		Datasource  struct{ Type, UID string }
	}
	FieldConfig struct {
		Defaults struct{ Unit string }
	}
}

func readDashboard(t *testing.T, root string) dashboard {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "deploy", "grafana", "fairlead.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// expressions returns every query of the dashboard and the alerts, by its place,
// with Grafana's variables replaced.
func expressions(t *testing.T, root string) map[string]string {
	t.Helper()
	variables := strings.NewReplacer("$__rate_interval", "1m", "$tenant", ".*")
	all := map[string]string{}
	d := readDashboard(t, root)
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all[fmt.Sprintf("panel %q, %s", p.Title, target.RefID)] = variables.Replace(target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		if a.Expr != "" {
			all["annotation "+a.Name] = variables.Replace(a.Expr)
		}
	}
	for name, expr := range alerts(t, root) {
		all["alert "+name] = expr
	}
	return all
}

func alerts(t *testing.T, root string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "deploy", "prometheus", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all[r.Alert] = r.Expr
		}
	}
	return all
}

var metric = regexp.MustCompile(`\b(?:fairlead|go|process)_[a-z0-9_]+|\bup\b`)

// metrics are the names in an expression. ALERTS is Prometheus's own.
func metrics(expr string) []string { return metric.FindAllString(expr, -1) }

func promtool(t *testing.T) string {
	t.Helper()
	path, err := substitute.Promtool(t.Context())
	if err != nil {
		missing(t, "%v", err)
	}
	return path
}

// TestDashboard finds mistakes that Grafana does not report and a reviewer does
// not see: two panels with one id, panels on top of each other, a data source
// that exists only here.
func TestDashboard(t *testing.T) {
	d := readDashboard(t, repository(t))
	if d.UID != "fairlead" || d.Title == "" || d.SchemaVersion < 36 {
		t.Errorf("uid %q, title %q, schema %d", d.UID, d.Title, d.SchemaVersion)
	}
	variables := map[string]bool{}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
	}
	if !variables["datasource"] {
		t.Error("no variable for the data source: a user who imports the dashboard could not choose one")
	}
	ids, taken := map[int]string{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if other, ok := ids[p.ID]; ok {
			t.Errorf("panels %q and %q have the id %d", other, p.Title, p.ID)
		}
		ids[p.ID] = p.Title
		if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W < 1 || p.GridPos.H < 1 {
			t.Errorf("panel %q is off the grid of 24 columns: %+v", p.Title, p.GridPos)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("panels %q and %q overlap", other, p.Title)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if !slices.Contains([]string{"stat", "timeseries", "state-timeline", "table"}, p.Type) {
			t.Errorf("panel %q: type %q", p.Title, p.Type)
		}
		if len(p.Targets) == 0 || p.FieldConfig.Defaults.Unit == "" || p.Datasource.UID != "${datasource}" {
			t.Errorf("panel %q: %d targets, unit %q, data source %q", p.Title, len(p.Targets), p.FieldConfig.Defaults.Unit, p.Datasource.UID)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if refs[target.RefID] || target.RefID == "" || target.Expr == "" || target.Datasource.UID != "${datasource}" {
				t.Errorf("panel %q: target %+v", p.Title, target)
			}
			refs[target.RefID] = true
		}
	}
}

// TestExpressionsParse gives every query to Prometheus's own parser.
func TestExpressionsParse(t *testing.T) {
	wholeSystem(t)
	root, tool := repository(t), promtool(t)
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	all := expressions(t, root)
	for i, where := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&rules, "  - record: expression_%d # %s\n    expr: %q\n", i, where, all[where])
		if len(metrics(all[where])) == 0 && !strings.Contains(all[where], "ALERTS") {
			t.Errorf("%s asks for no metric: %s", where, all[where])
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestAlerts runs the tests of the alerts, and requires one for each alert.
func TestAlerts(t *testing.T) {
	wholeSystem(t)
	root, tool := repository(t), promtool(t)
	folder := filepath.Join(root, "deploy", "prometheus")
	for _, args := range [][]string{
		{"check", "rules", "rules.yaml"},
		{"test", "rules", "rules_test.yaml"},
		{"check", "config", "--syntax-only", filepath.Join(root, "deploy", "compose", "prometheus.yml")},
	} {
		cmd := exec.CommandContext(t.Context(), tool, args...)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	tests, err := os.ReadFile(filepath.Join(folder, "rules_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range alerts(t, root) {
		if !regexp.MustCompile(`\b` + name + `\b`).Match(tests) {
			t.Errorf("no test of alert %s", name)
		}
	}
}
