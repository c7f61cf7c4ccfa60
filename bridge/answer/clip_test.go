package answer

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{strings.Repeat("x", MaxShown), strings.Repeat("x", MaxShown)},
		{strings.Repeat("x", MaxShown+1), strings.Repeat("x", MaxShown) + "…"},
		{strings.Repeat("x", MaxShown-1) + "é", strings.Repeat("x", MaxShown-1) + "…"},
		{strings.Repeat("x", MaxShown-2) + "é!", strings.Repeat("x", MaxShown-2) + "é…"},
		{strings.Repeat("x", MaxShown-3) + "😀!", strings.Repeat("x", MaxShown-3) + "…"},
		{strings.Repeat("\x80", 2*MaxShown), strings.Repeat("\x80", MaxShown) + "…"},
	} {
		if got := Clip(tt.in); got != tt.want {
			t.Errorf("%d bytes became %d: ...%q", len(tt.in), len(got), got[max(0, len(got)-10):])
		}
	}
	if got := Clip(strings.Repeat("é", 1<<20)); !utf8.ValidString(got) || len(got) > MaxShown+len("…") {
		t.Errorf("cut within a character: %d bytes", len(got))
	}
}
