package subjects

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestIdentityRoundTrip(t *testing.T) {
	for _, id := range []*Identity{
		{User: "jane"},
		{User: "u", UID: "7", Groups: []string{"b", "a", ""}, Extra: map[string][]string{"scopes": {"x", "y"}, "a/b\x00é": {""}, "none": nil}},
		{User: strings.Repeat("x", MaxExtensionBytes-7)},
	} {
		e, err := id.Extension()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseIdentity(e.Value); err != nil || !reflect.DeepEqual(got, id) || !got.Equal(id) {
			t.Errorf("%+v came back as %+v, %v", id, got, err)
		}
		b, err := AppendRequestHead(nil, &RequestHead{Method: "GET", Target: "/", Extensions: []Extension{e}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseRequestHead(b[HeadPrefixLen:]); err != nil || got.Extensions[0] != e {
			t.Errorf("in a head: %+v, %v", got, err)
		}
	}
	if _, err := (&Identity{Groups: []string{"g"}}).Extension(); !errors.Is(err, ErrHead) {
		t.Errorf("no user: %v", err)
	}
	if _, err := (&Identity{User: strings.Repeat("x", MaxExtensionBytes)}).Extension(); !errors.Is(err, ErrHeadTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

// The rows are those of PROTOCOL.md.
func TestMalformedIdentity(t *testing.T) {
	for name, b := range map[string]raw{
		"I1 empty":                {},
		"I1 no user":              raw{}.str("").str("").num(0).num(0),
		"I1 user cut off":         raw{}.num(9),
		"I1 groups missing":       raw{}.str("u").str(""),
		"I1 lying groups":         raw{}.str("u").str("").num(1 << 62),
		"I1 group cut off":        raw{}.str("u").str("").num(1).num(9),
		"I1 lying extra":          raw{}.str("u").str("").num(0).num(1 << 62),
		"I1 extra key cut off":    raw{}.str("u").str("").num(0).num(1).num(9).num(0),
		"I1 extra key twice":      raw{}.str("u").str("").num(0).num(2).str("k").num(0).str("k").num(0),
		"I1 extra out of order":   raw{}.str("u").str("").num(0).num(2).str("k").num(0).str("a").num(0),
		"I1 extra lying values":   raw{}.str("u").str("").num(0).num(1).str("k").num(1 << 62),
		"I1 bytes after its end":  raw{}.str("u").str("").num(0).num(0).num(0),
		"I1 number beyond 64 bit": append(raw{}.str("u").str(""), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
	} {
		if id, err := ParseIdentity(string(b)); !errors.Is(err, ErrHead) || id != nil {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add(string(raw{}.str("u").str("7").num(1).str("g").num(1).str("k").num(1).str("v")))
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseIdentity(s)
		if err != nil {
			return
		}
		e, err := id.Extension()
		if err != nil {
			return // larger than a head can bring
		}
		if again, err := ParseIdentity(e.Value); err != nil || !again.Equal(id) {
			t.Fatalf("%+v came back as %+v, %v", id, again, err)
		}
	})
}

// A prepared identity is the same on the wire, and a copy of it that was changed is
// another one.
func TestPreparedIdentity(t *testing.T) {
	id := &Identity{User: "jane", Groups: []string{"a"}, Extra: map[string][]string{"k": {"v"}}}
	want, err := id.Extension()
	if err == nil {
		err = id.Prepare()
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, err := id.Extension(); got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got.Value, err, want.Value)
	}
	list, err := id.Extensions()
	if err != nil || len(list) != 1 || list[0] != want {
		t.Errorf("the list is %v, %v", list, err)
	}
	_ = append(list, Extension{ID: ExtensionReview})
	if again, err := id.Extensions(); err != nil || len(again) != 1 || again[0] != want {
		t.Errorf("the list has become %v, %v", again, err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = id.Extension(); _, _ = id.Extensions() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	other := *id
	other.User = "root"
	e, err := other.Extension()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseIdentity(e.Value); err != nil || got.User != "root" {
		t.Errorf("a changed copy is sent as %+v, %v", got, err)
	}
	if list, err := other.Extensions(); err != nil || len(list) != 1 || list[0] != e {
		t.Errorf("the list of a changed copy is %v, %v", list, err)
	}
	if err := (&Identity{}).Prepare(); !errors.Is(err, ErrHead) {
		t.Errorf("without a user: %v", err)
	}
}
