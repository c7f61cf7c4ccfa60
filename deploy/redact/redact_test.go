package redact

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	seed := "SU" + strings.Repeat("A2", 28)
	for text, want := range map[string]string{
		"tokens: want a list, not \"fl_0123456789abcdef-_\": write [x]": "tokens: want a list, not \"[redacted]\": write [x]",
		"tokens[fl_0123456789abcdef].name: bad":                         "tokens[[redacted]].name: bad",
		"Bearer eyJhbGciOiJub25lIn0.e30. and more":                      "Bearer [redacted] and more",
		seed + ", " + seed[:30] + "...":                                 "[redacted], [redacted]...",
		"fl_0123456789 fl_9876543210":                                   "[redacted] [redacted]",
		"send a token of the bridge (fl_...)":                           "send a token of the bridge (fl_...)",
		"SOMETHING and SAME, eyJ, fl_":                                  "SOMETHING and SAME, eyJ, fl_",
		"":                                                              "",
	} {
		if got := Text(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestError(t *testing.T) {
	if err := Error(nil); err != nil {
		t.Error(err)
	}
	if err := Error(fmt.Errorf("fl_0123456789: %w", io.EOF)); !errors.Is(err, io.EOF) || err.Error() != "[redacted]: EOF" {
		t.Error(err)
	}
}
