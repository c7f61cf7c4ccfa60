package dockerconfig

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestFindingsAreDocumented: the page has each finding.
func TestFindingsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/pull-secrets.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Findings() {
		if row := fmt.Sprintf("| `%s` | %s | %s |\n", f.Code, f.Severity, f.Hint); !strings.Contains(string(page), row) {
			t.Errorf("docs/pull-secrets.md has no row %s", row)
		}
	}
}
