package endpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

const largest = 8 << 20

// TestBodies: what bodies take together is bounded and given back, and callers that take
// all they can leave something for the next one.
func TestBodies(t *testing.T) {
	var b Bodies
	var all []*Share
	take := func(caller string, n int64, want bool) {
		t.Helper()
		s, f := b.Take(caller, n, largest)
		if (f == nil) != want || f != nil && f.Kind != answer.RateLimited {
			t.Errorf("%s: %d more: %v", caller, n, f)
		}
		if f == nil {
			all = append(all, s)
		}
	}
	for range maxBodies / 2 / largest {
		take("one", -1, true)
	}
	take("one", 1, false)
	all[0].Keep(1 << 20)
	take("one", 1, true)
	for i := range 3 { // each until no more is given
		for f := (*answer.Failure)(nil); f == nil; {
			var s *Share
			if s, f = b.Take(fmt.Sprint("greedy", i), 1<<40, largest); f == nil {
				all = append(all, s)
			}
		}
	}
	take("modest", largest, true)
	take("modest", 0, true)
	for _, s := range all {
		s.End()
		s.End()
	}
	if b.taken != 0 || len(b.of) != 0 {
		t.Errorf("left: %d %v", b.taken, b.of)
	}
}

// TestCountedBodies: a body takes its share before it is read, or where its size is not
// known, once it is no small one; small ones take none.
func TestCountedBodies(t *testing.T) {
	var b Bodies
	read := func(text string, known bool) (*Share, *answer.Failure) {
		body := io.Reader(strings.NewReader(text))
		if !known {
			body = io.MultiReader(body)
		}
		r := httptest.NewRequest("POST", "/", body)
		var v string
		s, f := b.ReadJSON(httptest.NewRecorder(), r, "one", &v, largest, `""`)
		if f == nil && len(v) != len(text)-2 {
			t.Errorf("%d bytes became %d", len(text), len(v))
		}
		return s, f
	}
	text := func(n int) string { b, _ := json.Marshal(string(bytes.Repeat([]byte("x"), n-2))); return string(b) }
	for _, known := range []bool{true, false} {
		if s, f := read(text(SmallBody), known); s != nil || f != nil || b.taken != 0 {
			t.Errorf("a small body takes %d, %v", b.taken, f)
		}
		s, f := read(text(1<<20), known)
		if f != nil || b.taken != 1<<20 {
			t.Errorf("a body of 1 MiB takes %d, %v", b.taken, f)
		}
		if s.End(); b.taken != 0 {
			t.Errorf("an ended request has %d", b.taken)
		}
		for _, bad := range []string{text(largest + 1), text(1<<20) + "x", text(1 << 20)[:1<<19]} {
			if _, f := read(bad, known); f == nil || f.Kind == answer.RateLimited || b.taken != 0 {
				t.Errorf("a refused body takes %d, %v", b.taken, f)
			}
		}
		full, _ := b.Take("one", maxBodies/2, maxBodies)
		if _, f := read(text(1<<20), known); f == nil || f.Kind != answer.RateLimited {
			t.Errorf("a body of a caller who has its share: %v", f)
		}
		if _, f := read(text(SmallBody), known); f != nil {
			t.Errorf("a small body of a caller who has its share: %v", f)
		}
		full.End()
	}
}
