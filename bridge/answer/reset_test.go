package answer

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestEveryCodeHasARow: a new reset code is two lines in package subjects and a
// row here, and so has an HTTP status and a sentence of its own.
func TestEveryCodeHasARow(t *testing.T) {
	for _, c := range subjects.Codes() {
		if _, ok := resets[c]; !ok {
			t.Errorf("%s has no row in resets", c)
		}
		f := FromReset("prod.acme", &subjects.ResetError{Code: c, Detail: "the agent's words"})
		if f.Kind.Status < 400 || strings.Contains(f.Detail, "{") || !strings.HasSuffix(f.Detail, ": the agent's words") {
			t.Errorf("%s: %d %q", c, f.Kind.Status, f.Detail)
		}
		if unknown := strings.Contains(f.Detail, "unknown"); unknown && c.NotExecuted() {
			t.Errorf("%s: %q, and the request was certainly not executed", c, f.Detail)
		}
	}
	if len(resets) != len(subjects.Codes()) {
		t.Errorf("%d rows for %d codes", len(resets), len(subjects.Codes()))
	}
	for _, c := range []subjects.Code{subjects.CodeRefused, subjects.CodeRevoked} {
		// An agent also refuses by what the platform has set, and says so itself.
		f := FromReset("prod", &subjects.ResetError{Code: c, Detail: "refused by a restriction that the platform has set"})
		if !strings.Contains(f.Kind.Title, "agent") || !strings.Contains(f.Detail, "agent") || strings.Contains(f.Kind.Title+f.Detail, "owner") {
			t.Errorf("%s: %q, %q: it is not the owner who refuses", c, f.Kind.Title, f.Detail)
		}
	}
	f := FromReset("prod", &subjects.ResetError{Code: 999})
	if f.Kind != AgentError || !strings.Contains(f.Detail, "code-999") {
		t.Errorf("a code that this version does not know: %s %q", f.Kind.Code, f.Detail)
	}
}
