package subjects

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// extended returns the head of a request with extensions; section follows the
// head's last field.
func extended(section raw) raw { return append(request("GET", "/").num(0), section...) }

func ext(id uint64, value string) raw { return raw{}.num(id).str(value) }

func join(parts ...raw) (all raw) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// The names begin with the row of PROTOCOL.md that they stand for.
var (
	malformedExtensions = map[string]raw{
		"H10 none":                   raw{}.num(0),
		"H10 count cut off":          {0x80},
		"H10 lying count":            raw{}.num(2),
		"H10 count beyond an int":    raw{}.num(1 << 63),
		"H10 more than bytes":        join(raw{}.num(3), ext(2, ""), ext(4, "")),
		"H10 too many":               join(raw{}.num(MaxExtensions+1), make([]byte, 4*MaxExtensions)),
		"H10 id 0":                   join(raw{}.num(1), ext(0, "")),
		"H10 id twice":               join(raw{}.num(2), ext(2, "a"), ext(2, "b")),
		"H10 ids out of order":       join(raw{}.num(2), ext(4, ""), ext(2, "")),
		"H10 value cut off":          join(raw{}.num(1), raw{}.num(2), raw{}.num(9)),
		"H10 no value":               join(raw{}.num(1), raw{}.num(300)),
		"H10 values too large":       join(raw{}.num(2), ext(2, strings.Repeat("x", MaxExtensionBytes)), ext(4, "x")),
		"H10 bytes after the end":    join(raw{}.num(1), ext(2, ""), raw("x")),
		"H10 malformed and critical": join(raw{}.num(2), ext(99, ""), ext(2, "")),
	}
	unknownCritical = map[string]raw{
		"H11 alone":        join(raw{}.num(1), ext(99, "")),
		"H11 among others": join(raw{}.num(3), ext(2, "a"), ext(99, "b"), ext(100, "c")),
		"H11 largest id":   join(raw{}.num(1), ext(1<<64-1, "")),
	}
)

func TestMalformedExtensions(t *testing.T) {
	for _, c := range []struct {
		rows map[string]raw
		want error
	}{{malformedExtensions, ErrHead}, {unknownCritical, ErrExtension}} {
		for name, section := range c.rows {
			if h, err := ParseRequestHead(extended(section)); !errors.Is(err, c.want) || h != nil {
				t.Errorf("request, %s: %+v, %v, want %v", name, h, err, c.want)
			}
			if h, err := parseResponseHead(append(raw{}.num(200).num(0).num(0), section...)); !errors.Is(err, c.want) || h != nil {
				t.Errorf("response, %s: %+v, %v, want %v", name, h, err, c.want)
			}
		}
	}
	if errors.Is(ErrExtension, ErrHead) {
		t.Error("what a newer peer may send counts as malformed")
	}
}

// TestMalformedBeforeCritical: a malformed head is reported as malformed, even if
// it also has a critical extension.
func TestMalformedBeforeCritical(t *testing.T) {
	b := append(request("G T", "/").num(0), unknownCritical["H11 alone"]...)
	if _, err := ParseRequestHead(b); !errors.Is(err, ErrHead) {
		t.Errorf("got %v, want %v", err, ErrHead)
	}
}

func TestExtensionsRoundTrip(t *testing.T) {
	most := make([]Extension, MaxExtensions)
	for i := range most {
		most[i] = Extension{ID: uint64(2*i + 2), Value: strings.Repeat("x", MaxExtensionBytes/MaxExtensions)}
	}
	for _, ext := range [][]Extension{nil, {{ID: 2}}, {{2, "a\x00\r\n"}, {1<<64 - 2, "b"}}, most} {
		req := &RequestHead{Method: "GET", Target: "/", Header: map[string][]string{"Accept": {"a"}}, Extensions: ext}
		b, err := AppendRequestHead(nil, req)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseRequestHead(b[HeadPrefixLen:]); err != nil || !reflect.DeepEqual(got, req) {
			t.Errorf("%+v came back as %+v, %v", req, got, err)
		}
		resp := &ResponseHead{Status: 200, Header: req.Header, Extensions: ext}
		if b, err = AppendResponseHead(nil, resp); err != nil {
			t.Fatal(err)
		}
		if got, err := parseResponseHead(b[HeadPrefixLen:]); err != nil || !reflect.DeepEqual(got, resp) {
			t.Errorf("%+v came back as %+v, %v", resp, got, err)
		}
		again := &ResponseHead{Extensions: most}
		if err := again.Parse(b[HeadPrefixLen:]); err != nil || !reflect.DeepEqual(again.Extensions, ext) {
			t.Errorf("into a used head: %+v, %v", again.Extensions, err)
		}
	}
}

// TestHeadsWithoutExtensionsStay: a head without extensions has the bytes that
// it had before there were any.
func TestHeadsWithoutExtensionsStay(t *testing.T) {
	b, err := AppendRequestHead(nil, &RequestHead{Method: "GET", Target: "/", ContentLength: -1, RequestID: "id"})
	if want := "\x00\x00\x00\x0c\x03GET\x01/\x00\x00\x02id\x00"; err != nil || string(b) != want {
		t.Errorf("request %q, %v, want %q", b, err, want)
	}
	b, err = AppendResponseHead(nil, &ResponseHead{Status: 200, ContentLength: -1})
	if want := "\x00\x00\x00\x04\xc8\x01\x00\x00"; err != nil || string(b) != want {
		t.Errorf("response %q, %v, want %q", b, err, want)
	}
}

func TestExtensionsRefusedBySender(t *testing.T) {
	for name, c := range map[string]struct {
		ext  []Extension
		want error
	}{
		"id 0":                  {[]Extension{{}}, ErrHead},
		"id twice":              {[]Extension{{ID: 2}, {ID: 2}}, ErrHead},
		"ids out of order":      {[]Extension{{ID: 4}, {ID: 2}}, ErrHead},
		"too many":              {make([]Extension, MaxExtensions+1), ErrHeadTooLarge},
		"too large":             {[]Extension{{2, strings.Repeat("x", MaxExtensionBytes)}, {4, "x"}}, ErrHeadTooLarge},
		"one that is too large": {[]Extension{{2, strings.Repeat("x", MaxExtensionBytes+1)}}, ErrHeadTooLarge},
	} {
		if _, err := AppendRequestHead(nil, &RequestHead{Method: "GET", Target: "/", Extensions: c.ext}); !errors.Is(err, c.want) {
			t.Errorf("request, %s: %v, want %v", name, err, c.want)
		}
		if _, err := AppendResponseHead(nil, &ResponseHead{Status: 200, Extensions: c.ext}); !errors.Is(err, c.want) {
			t.Errorf("response, %s: %v, want %v", name, err, c.want)
		}
	}
}
