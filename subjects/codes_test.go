package subjects

import (
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestCodes(t *testing.T) {
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^\tCode\w+ +Code = ([0-9]+)$`).FindAllSubmatch(source, -1)
	if len(Codes()) != len(declared) || len(declared) == 0 {
		t.Errorf("Codes() = %v, but %d constants are declared", Codes(), len(declared))
	}
	names := map[string]bool{"other": true}
	for _, c := range Codes() {
		s := c.String()
		if names[s] || strings.HasPrefix(s, "code-") || c.Label() != s {
			t.Errorf("code %d is called %q, label %q", c, s, c.Label())
		}
		names[s] = true
		err := error(&ResetError{Code: c, Detail: "why", Remote: true})
		if CodeOf(errors.Join(errors.New("other"), err)) != c {
			t.Errorf("code %d is not found in a joined error", c)
		}
	}
	for _, c := range []Code{0, Code(len(codes)), 4242, 65535} {
		if c.NotExecuted() || !strings.HasPrefix(c.String(), "code-") || c.Label() != "other" {
			t.Errorf("unknown code %d: %q, label %q, not executed %v", c, c, c.Label(), c.NotExecuted())
		}
	}
	if CodeOf(nil) != 0 || CodeOf(errors.New("x")) != 0 {
		t.Error("a code was found where there is none")
	}
}

// TestCodesAreDocumented holds the table of codes in PROTOCOL.md and the one in
// codes.go together.
func TestCodesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| ([0-9]+) \| `+"`([a-z-]+)`"+` \| (no|unknown)[^|]*\|`).FindAllSubmatch(doc, -1)
	if len(rows) != len(Codes()) {
		t.Errorf("%d rows of codes, want %d", len(rows), len(Codes()))
	}
	for _, row := range rows {
		n, _ := strconv.Atoi(string(row[1]))
		c := Code(n)
		if c.String() != string(row[2]) || c.NotExecuted() != (string(row[3]) == "no") {
			t.Errorf("row %s does not match code %d, %s, not executed %v", row[0], n, c, c.NotExecuted())
		}
	}
}
