package cast

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzText: all bytes come back, in JSON that every program reads.
func FuzzText(f *testing.F) {
	f.Add([]byte("plain\r\n\x1b[0m\x00\x7f\"\\"))
	f.Add([]byte("h\u00e9 \xff\xc3 \U0010ff80 \U0010ffff \u2028\u2029 \ufffd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		line := AppendText(nil, b)
		var text string
		if err := json.Unmarshal(line, &text); err != nil || !utf8.Valid(line) || bytes.ContainsAny(line, "\n\r") {
			t.Fatalf("%q is written as %q: %v", b, line, err)
		}
		if got := Bytes(nil, text); !bytes.Equal(got, b) {
			t.Errorf("%q comes back as %q", b, got)
		}
		n := Split(b)
		if n < len(b)-3 || n > len(b) {
			t.Errorf("Split(%q) = %d", b, n)
		}
		if utf8.Valid(b) && n != len(b) {
			t.Errorf("Split(%q) = %d, want all of it", b, n)
		}
	})
}

// TestCharactersInPieces: a character that is split between two pieces is one in the
// recording, and no byte waits for ever.
func TestCharactersInPieces(t *testing.T) {
	for s, want := range map[string]int{"a": 1, "": 0, "é": 2, "a\xc3": 1, "a\xe2\x82": 1, "a\xf0\x9f\x98": 1, "a\xff": 2, "\x80\x80\x80": 3, "\xc3a": 2} {
		if got := Split([]byte(s)); got != want {
			t.Errorf("Split(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestReader(t *testing.T) {
	b, err := AppendHeader(nil, Header{Width: 80, Height: 24, Timestamp: 1, Title: "t", Extra: map[string]string{"id": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	b = AppendEvent(b, 1500*time.Millisecond, Output, []byte("a\xff"))
	b = AppendEvent(b, 2*time.Second, Resize, []byte("90x30"))
	long := strings.Repeat("\x00", 100<<10)
	b = AppendEvent(b, 3*time.Second, Input, []byte(long))
	torn := append(bytes.Clone(b), `[4.0, "o", "lo`...)
	var x struct{ ID string }
	r, err := NewReader(bytes.NewReader(torn), &x)
	if err != nil || r.Header.Width != 80 || x.ID != "x" {
		t.Fatalf("header %+v, %v", r, err)
	}
	for _, want := range []Event{{1500 * time.Millisecond, Output, []byte("a\xff")}, {2 * time.Second, Resize, []byte("90x30")}, {3 * time.Second, Input, []byte(long)}} {
		got, err := r.Next()
		if err != nil || got.At != want.At || got.Code != want.Code || !bytes.Equal(got.Data, want.Data) {
			t.Fatalf("got %v %c of %d bytes, %v", got.At, got.Code, len(got.Data), err)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("after a line that was cut short: %v, want the end", err)
	}
	for _, bad := range []string{"", "{}\n", `{"version":1}` + "\n", "x\n", strings.Repeat("x", maxLine+1)} {
		if _, err := NewReader(strings.NewReader(bad), nil); err == nil {
			t.Errorf("%.20q is a recording", bad)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("{\"version\":2}\n[1.0, \"o\", \"x\"]\n[]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b), nil)
		for err == nil {
			_, err = r.Next()
		}
	})
}

func BenchmarkAppendEvent(b *testing.B) {
	text := []byte(strings.Repeat("a line of output that has \x1b[1mcolours\x1b[0m\r\n", 700))
	b.SetBytes(int64(len(text)))
	var buf []byte
	for b.Loop() {
		buf = AppendEvent(buf[:0], time.Second, Output, text)
	}
}
