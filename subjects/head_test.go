package subjects

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRequestHeadRoundTrip(t *testing.T) {
	for _, h := range []*RequestHead{
		{Method: "GET", Target: "/", Header: http.Header{}},
		{Method: "POST", Target: "/api/v1/namespaces/a%2Fb/pods?x=%20&y=ü", ContentLength: 1 << 40, Timeout: 90 * time.Second,
			RequestID: "r-1", Header: http.Header{
				"Accept":        {"application/json", "text/plain;q=0.5", ""},
				"X-Custom":      {"tab\there", "ünïcode"},
				"Content-Type":  {"application/json"},
				"Kubectl-Count": {"1"},
			}},
		{Method: "M-SEARCH", Target: "//double", ContentLength: -1, Timeout: maxTimeout, Header: http.Header{"Vary": {"*"}}},
	} {
		b, err := AppendRequestHead([]byte("before"), h)
		if err != nil {
			t.Fatal(err)
		}
		b = b[len("before"):]
		n, err := HeadLen(b)
		if n != len(b)-HeadPrefixLen || err != nil {
			t.Errorf("prefix says %d of %d bytes, %v", n, len(b)-HeadPrefixLen, err)
		}
		got, err := ParseRequestHead(b[HeadPrefixLen:])
		if err != nil || !reflect.DeepEqual(got, h) {
			t.Errorf("%+v came back as %+v, %v", h, got, err)
		}
	}
}

func TestTimeoutIsNeverRoundedToNone(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		1: time.Millisecond, time.Millisecond: time.Millisecond, 1500 * time.Microsecond: 2 * time.Millisecond,
		-1: 0, math.MaxInt64: maxTimeout, 0: 0,
	} {
		b, err := AppendRequestHead(nil, &RequestHead{Method: "GET", Target: "/", Timeout: d})
		if err != nil {
			t.Fatal(err)
		}
		if h, err := ParseRequestHead(b[HeadPrefixLen:]); err != nil || h.Timeout != want {
			t.Errorf("%v came back as %+v, %v; want %v", d, h, err, want)
		}
	}
}

func TestResponseHeadRoundTrip(t *testing.T) {
	for _, h := range []*ResponseHead{
		{Status: 200, ContentLength: -1, Header: http.Header{}},
		{Status: 101, Header: http.Header{"Connection": {"Upgrade"}, "Upgrade": {"SPDY/3.1"}}},
		{Status: 999, ContentLength: math.MaxInt64 / 4, Header: http.Header{"Audit-Id": {"a"}}},
	} {
		b, err := AppendResponseHead(nil, h)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseResponseHead(b[HeadPrefixLen:]); err != nil || !reflect.DeepEqual(got, h) {
			t.Errorf("%+v came back as %+v, %v", h, got, err)
		}
	}
	for _, status := range []int{0, -1, 99, 1000} {
		if _, err := AppendResponseHead(nil, &ResponseHead{Status: status}); !errors.Is(err, ErrHead) {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

func parseResponseHead(b []byte) (*ResponseHead, error) {
	h := new(ResponseHead)
	if err := h.Parse(b); err != nil {
		return nil, err
	}
	return h, nil
}

func TestTrailerRoundTrip(t *testing.T) {
	h := http.Header{"Grpc-Status": {"0"}, "X-Sum": {"a", "b"}}
	b, err := AppendTrailer(nil, h)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseTrailer(b); err != nil || !reflect.DeepEqual(got, h) {
		t.Errorf("came back as %v, %v", got, err)
	}
	if _, err := AppendTrailer(nil, http.Header{"X": {strings.Repeat("x", MaxTrailer)}}); !errors.Is(err, ErrHeadTooLarge) {
		t.Errorf("too long: %v", err)
	}
}

func TestHeadLimits(t *testing.T) {
	many := http.Header{}
	for i := range MaxHeaders + 1 {
		many[fmt.Sprintf("X-%d", i)] = []string{""}
	}
	for name, h := range map[string]http.Header{
		"too many lines": many,
		"too many bytes": {"X": {strings.Repeat("x", MaxHead)}},
	} {
		if _, err := AppendRequestHead(nil, &RequestHead{Method: "GET", Target: "/", Header: h}); !errors.Is(err, ErrHeadTooLarge) {
			t.Errorf("request with %s: %v", name, err)
		}
		if _, err := AppendResponseHead(nil, &ResponseHead{Status: 200, Header: h}); !errors.Is(err, ErrHeadTooLarge) {
			t.Errorf("response with %s: %v", name, err)
		}
	}
	if _, err := HeadLen([]byte{0, 0, 0}); !errors.Is(err, ErrHead) {
		t.Errorf("short prefix: %v", err)
	}
	if _, err := HeadLen(binary.BigEndian.AppendUint32(nil, MaxHead+1)); !errors.Is(err, ErrHeadTooLarge) {
		t.Errorf("long head: %v", err)
	}
}

// raw builds heads as no sender of ours does.
type raw []byte

func (r raw) num(n uint64) raw { return binary.AppendUvarint(r, n) }
func (r raw) str(s string) raw { return append(r.num(uint64(len(s))), s...) }

func request(method, target string) raw { return raw{}.str(method).str(target).num(0).num(0).str("id") }

// The names begin with the row of PROTOCOL.md that they stand for.
var (
	malformedRequests = map[string]raw{
		"H3 empty":                             {},
		"H3 no header count":                   request("GET", "/"),
		"H3 bytes after the end":               append(request("GET", "/").num(0), 'x'),
		"H3 truncated string":                  raw{}.num(50),
		"H3 length beyond everything":          raw{}.num(1 << 63),
		"H3 number too long":                   append(raw{}, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"...),
		"H3 content length too large":          raw{}.str("GET").str("/").num(1<<62 + 2).num(0).str("").num(0),
		"H4 no method":                         request("", "/").num(0),
		"H4 method with a space":               request("GET /", "/").num(0),
		"H4 method with a line end":            request("GET\r\n", "/").num(0),
		"H4 no target":                         request("GET", "").num(0),
		"H4 target without slash":              request("GET", "http://elsewhere/").num(0),
		"H4 target that ends the line":         request("GET", "/ HTTP/1.1\r\nHost: x").num(0),
		"H4 target with a control character":   request("GET", "/\x7f").num(0),
		"H4 request id with a line end":        raw{}.str("GET").str("/").num(0).num(0).str("id\nforged log line").num(0),
		"H6 lying header count":                request("GET", "/").num(1 << 40),
		"H6 more headers than bytes":           request("GET", "/").num(3),
		"H6 too many headers":                  append(request("GET", "/").num(MaxHeaders+1), make([]byte, 4*MaxHeaders)...),
		"H7 unknown header index":              append(request("GET", "/").num(1), byte(len(staticNames)), 0),
		"H7 header index 255":                  append(request("GET", "/").num(1), 255, 0),
		"H8 empty header name":                 raw(append(request("GET", "/").num(1), 0)).str("").str("v"),
		"H8 header name with a colon":          raw(append(request("GET", "/").num(1), 0)).str("X:").str("v"),
		"H8 header name with a line end":       raw(append(request("GET", "/").num(1), 0)).str("X\r\nY").str("v"),
		"H8 header value with a line end":      raw(append(request("GET", "/").num(1), 0)).str("X").str("v\r\nSmuggled: yes"),
		"H8 header value with a NUL":           raw(append(request("GET", "/").num(1), 1)).str("\x00"),
		"H3 header value that is cut off":      raw(append(request("GET", "/").num(1), 1)).num(9),
		"H3 second header that is cut off":     raw(append(request("GET", "/").num(2), 1)).str("ok"),
		"H6 header count and nothing after it": request("GET", "/").num(1),
	}
	malformedResponses = map[string]raw{
		"H3 empty":                {},
		"H5 status 99":            raw{}.num(99).num(0).num(0),
		"H5 status 1000":          raw{}.num(1000).num(0).num(0),
		"H5 status beyond an int": raw{}.num(1 << 63).num(0).num(0),
		"H3 bytes after the end":  append(raw{}.num(200).num(0).num(0), 'x'),
		"H8 value with a CR":      raw(append(raw{}.num(200).num(0).num(1), 1)).str("\r"),
	}
	malformedTrailers = map[string]raw{
		"H9 empty": {}, "H9 too many": raw{}.num(9), "H9 after the end": append(raw{}.num(0), 0),
	}
)

func TestMalformedHeads(t *testing.T) {
	for name, b := range malformedRequests {
		if h, err := ParseRequestHead(b); !errors.Is(err, ErrHead) || h != nil {
			t.Errorf("request, %s: %+v, %v", name, h, err)
		}
	}
	for name, b := range malformedResponses {
		if h, err := parseResponseHead(b); !errors.Is(err, ErrHead) || h != nil {
			t.Errorf("response, %s: %+v, %v", name, h, err)
		}
	}
	for name, b := range malformedTrailers {
		if h, err := ParseTrailer(b); !errors.Is(err, ErrHead) || h != nil {
			t.Errorf("trailer, %s: %+v, %v", name, h, err)
		}
	}
}

// TestEveryHeadRowIsTested holds PROTOCOL.md and the tables above together.
// Rows H1 (see TestHeadLimits) and H2 are not about what a head holds, H12 (see
// TestExtensionsRoundTrip) is not a fault.
func TestEveryHeadRowIsTested(t *testing.T) {
	doc, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{"H1": true, "H2": true, "H12": true}
	for _, rows := range []map[string]raw{malformedRequests, malformedResponses, malformedTrailers, malformedExtensions, unknownCritical} {
		for name := range rows {
			id, _, _ := strings.Cut(name, " ")
			tested[id] = true
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\| (H[0-9]+) \|`).FindAllSubmatch(doc, -1) {
		if id := string(m[1]); !tested[id] {
			t.Errorf("row %s is not tested", id)
		}
		delete(tested, string(m[1]))
	}
	for id := range tested {
		t.Errorf("row %s is not in PROTOCOL.md", id)
	}
}

// TestRefusedBySender: a sender makes no head that no receiver takes.
func TestRefusedBySender(t *testing.T) {
	for name, h := range map[string]*RequestHead{
		"no method": {Target: "/"}, "bad method": {Method: "G T", Target: "/"},
		"no target": {Method: "GET"}, "bad target": {Method: "GET", Target: "/ x"},
		"bad request id":   {Method: "GET", Target: "/", RequestID: "a\nb"},
		"bad header name":  {Method: "GET", Target: "/", Header: http.Header{"X Y": {"v"}}},
		"bad header value": {Method: "GET", Target: "/", Header: http.Header{"X": {"v\n"}}},
	} {
		if _, err := AppendRequestHead(nil, h); !errors.Is(err, ErrHead) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStaticNames: the table belongs to the protocol version. A change of it
// needs a new version, or peers one release apart misread each other.
func TestStaticNames(t *testing.T) {
	const version1 = 0x19c74034
	if Version != 1 {
		t.Fatalf("version %d has no sum here: write it beside that of version 1", Version)
	}
	if got := crc32.ChecksumIEEE([]byte(strings.Join(staticNames[:], "\n"))); got != version1 {
		t.Errorf("the table's sum is %#x, version 1 has %#x", got, version1)
	}
	for _, n := range staticNames[1:] {
		if http.CanonicalHeaderKey(n) != n {
			t.Errorf("%s is not canonical", n)
		}
	}
	if len(staticIndex) != len(staticNames)-1 || len(staticNames) > 256 {
		t.Errorf("%d names, %d of them different", len(staticNames)-1, len(staticIndex))
	}
}

func FuzzParseRequestHead(f *testing.F) {
	for _, h := range []*RequestHead{
		{Method: "GET", Target: "/"},
		{Method: "POST", Target: "/x?y", ContentLength: -1, Timeout: time.Second, RequestID: "r", Header: http.Header{"Accept": {"a", "b"}, "X-Y": {"z"}}},
		{Method: "GET", Target: "/", Extensions: []Extension{{2, "a"}, {4, ""}, {1 << 40, "b"}}},
		{Method: "GET", Target: "/", Extensions: []Extension{{2, "a"}, {5, "critical"}}},
	} {
		b, err := AppendRequestHead(nil, h)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[HeadPrefixLen:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseRequestHead(b)
		if h != nil && slices.ContainsFunc(h.Extensions, Extension.Critical) {
			t.Fatalf("critical extensions passed: %+v", h)
		}
		if err != nil {
			if !errors.Is(err, ErrHead) && !errors.Is(err, ErrExtension) || h != nil {
				t.Fatalf("%+v, %v", h, err)
			}
			return
		}
		again, err := AppendRequestHead(nil, h)
		if errors.Is(err, ErrHeadTooLarge) {
			return
		}
		if err != nil {
			t.Fatalf("%+v was parsed but cannot be sent: %v", h, err)
		}
		if got, err := ParseRequestHead(again[HeadPrefixLen:]); err != nil || !reflect.DeepEqual(got, h) {
			t.Errorf("%+v came back as %+v, %v", h, got, err)
		}
	})
}

func FuzzParseResponseHead(f *testing.F) {
	b, err := AppendResponseHead(nil, &ResponseHead{Status: 200, ContentLength: 7, Header: http.Header{"Audit-Id": {"a"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[HeadPrefixLen:])
	f.Add(append(b[HeadPrefixLen:], 1, 2, 1, 'x')) // with an extension
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := ParseTrailer(b); (err == nil) != (h != nil) || err != nil && !errors.Is(err, ErrHead) {
			t.Errorf("trailer %v, %v", h, err)
		}
		h, err := parseResponseHead(b)
		if err != nil {
			if !errors.Is(err, ErrHead) && !errors.Is(err, ErrExtension) || h != nil {
				t.Fatalf("%+v, %v", h, err)
			}
			return
		}
		again, err := AppendResponseHead(nil, h)
		if errors.Is(err, ErrHeadTooLarge) {
			return
		}
		if err != nil {
			t.Fatalf("%+v was parsed but cannot be sent: %v", h, err)
		}
		if got, err := parseResponseHead(again[HeadPrefixLen:]); err != nil || !reflect.DeepEqual(got, h) {
			t.Errorf("%+v came back as %+v, %v", h, got, err)
		}
	})
}
