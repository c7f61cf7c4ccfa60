package grant

import (
	"os"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/subjects"
)

// documented are the callers in the tables of docs/access-grants.md.
var documented = map[string]*access.Caller{
	"job of acme/shop, protected":   documentedJob("acme/shop", "true"),
	"job of acme/shop, unprotected": documentedJob("acme/shop", "false"),
	"job of acme/other, protected":  documentedJob("acme/other", "true"),
	"token ci":                      {Name: "ci", Method: access.MethodToken},
	"ann of tenant acme":            {Name: "ann", Groups: []string{"tenant-acme"}, Method: access.MethodOIDC, Issuer: "company"},
}

func documentedJob(project, protected string) *access.Caller {
	return &access.Caller{Name: "gitlab:" + project, Method: access.MethodOIDC, Issuer: "gitlab",
		Claims: map[string]any{"project_path": project, "namespace_path": "acme", "ref_protected": protected}}
}

// TestDocument reads the examples of docs/access-grants.md, and makes the requests of
// the table that follows each.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile("../../../docs/access-grants.md")
	if err != nil {
		t.Fatal(err)
	}
	var g *Grants
	examples, rows := 0, 0
	for lines := strings.Split(string(b), "\n"); len(lines) > 0; lines = lines[1:] {
		if lines[0] == "```yaml" {
			end := 1
			for lines[end] != "```" {
				end++
			}
			g = open(t, strings.Join(lines[1:end], "\n"))
			lines = lines[end:]
			examples++
			continue
		}
		cells := strings.Split(strings.Trim(lines[0], "| "), " | ")
		if c := documented[cells[0]]; c != nil && len(cells) == 4 {
			rows++
			documentedRow(t, g, c, cells)
		}
	}
	if examples != 4 || rows != 33 {
		t.Errorf("%d examples with %d rows, want 4 with 33", examples, rows)
	}
}

func documentedRow(t *testing.T, g *Grants, c *access.Caller, cells []string) {
	t.Helper()
	method, target, _ := strings.Cut(cells[2], " ")
	target, as, impersonated := strings.Cut(target, " as ")
	req := asked(method, cells[1], target)
	if impersonated {
		req.As = &subjects.Identity{User: as}
	}
	got := "none"
	e := g.Explain(t.Context(), c, req, false)
	if e.Allowed {
		got = e.Grant
	}
	if got != cells[3] {
		t.Errorf("%v: %s (%s)", cells, got, e.Reason)
	}
	decides := "none"
	for _, considered := range e.Grants {
		if len(considered.Reasons) == 0 && decides == "none" {
			decides = considered.Grant
		}
	}
	if decides != cells[3] && req.As == nil { // as whom is decided about after the grant
		t.Errorf("%v: explained as if grant %s decided: %+v", cells, decides, e.Grants)
	}
}
