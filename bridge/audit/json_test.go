package audit

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// Every string comes back as encoding/json would have it, and stays on one line that
// no terminal obeys.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", `a"b\c`, "line\nline\r\x00\x1b[31m", "ünïcode\u2028\u2029\u0085", "\xff\xfe", "a\xc3", "\ufffd", "\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendString(nil, s)
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q: %v: %s", s, err, b)
		}
		if want := strings.Map(func(r rune) rune { return r }, s); got != want {
			t.Errorf("%q became %q, want %q", s, got, want)
		}
		if i := strings.IndexFunc(string(b), unicode.IsControl); i >= 0 {
			t.Errorf("%q has a control character: %q", s, b)
		}
	})
}

func TestTextIsCutBetweenCharacters(t *testing.T) {
	e := encoder{b: []byte("{")}
	e.text("aé", 2)
	if string(e.b) != `{"a"` || !e.cut {
		t.Errorf("got %s, cut: %v", e.b, e.cut)
	}
}
