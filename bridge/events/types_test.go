package events

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestTypesAreDocumented: docs/events.md has each type, with the sentence of the table.
func TestTypesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Types() {
		if row := fmt.Sprintf("| `%s` | %s |\n", d.Type, d.Means); !strings.Contains(string(page), row) {
			t.Errorf("docs/events.md lacks %s", row)
		}
	}
}
