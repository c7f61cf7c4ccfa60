package audit

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
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

// Times and durations are those of the standard library, however far off.
func FuzzTime(f *testing.F) {
	for _, n := range []int64{0, 1, 999_999_999, 1_795_853_775_623_456_789, math.MaxInt64, math.MinInt64} {
		f.Add(n, n)
	}
	f.Fuzz(func(t *testing.T, seconds, nanos int64) {
		at := time.Unix(seconds, nanos)
		want := at.UTC().Format(timeFormat)
		if got := string(appendTime(nil, at)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if nanos < 0 || nanos > int64(1000*time.Hour) { // more has not enough digits as a float
			return
		}
		e := encoder{b: []byte("{")}
		e.seconds("s", time.Duration(nanos))
		if want := strconv.FormatFloat(time.Duration(nanos).Round(time.Microsecond).Seconds(), 'f', 6, 64); string(e.b) != `{"s":`+want {
			t.Errorf("got %s, want %s", e.b, want)
		}
	})
}
