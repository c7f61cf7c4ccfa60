package transport

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestParseHeaders(t *testing.T) {
	h, err := parseHeaders("", []string{"x-token: a: b ", "X-Token:c", "Host: other.example", "Empty:", "Cookie: a=b, c"})
	want := http.Header{"X-Token": {"a: b", "c"}, "Host": {"other.example"}, "Empty": {""}, "Cookie": {"a=b, c"}}
	if err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("got %v, %v", h, err)
	}
	for in, want := range map[string]string{
		"":                              "not of the form 'Name: value'",
		"hidden":                        "not of the form",
		": hidden":                      "not of the form",
		"a b: hidden":                   "not of the form",
		"X: hidden\r\nY: hidden":        "the value of X has control characters",
		"X: hidden\nY":                  "control characters",
		"X: hidden\x00":                 "control characters",
		"connection: hidden":            "Connection concerns the connection",
		"Upgrade: hidden":               "concerns the connection",
		"Transfer-Encoding: hidden":     "concerns the connection",
		"Content-Length: hidden":        "concerns the connection",
		"Sec-WebSocket-Key: hidden":     "is part of the WebSocket handshake itself",
		"sec-websocket-protocol:hidden": "is part of the WebSocket handshake itself",
		"Proxy-Authorization: hidden":   "see --proxy-credentials",
	} {
		if _, err := parseHeaders("", []string{"A: b", in}); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "number 2: ") || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
	for _, in := range [][]string{{"Host: a", "host: b"}, {"X: " + strings.Repeat("x", maxHeaders)}} {
		if _, err := parseHeaders("", in); err == nil {
			t.Errorf("%.40q is accepted", in)
		}
	}
}

// TestHeaderFile: the file may come later, is read again when it changes, and what was
// good stays in use when it is damaged. Errors name the line and no value.
func TestHeaderFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "headers")
	s := Open(Config{Headers: []string{"A: flag"}, HeaderFile: file}, nil)
	_, err := s.Header()
	if f := cause.Of(err); f == nil || f.Cause != cause.LocalFile || f.Hop != cause.HTTPUpgrade || !strings.Contains(f.Got, "header-file: ") {
		t.Errorf("missing: %v", err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# comment\n\nB hidden\n")
	if _, err := s.Header(); err == nil || !strings.Contains(err.Error(), "line 3: not of the form") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("damaged: %v", err)
	}
	write("# comment\n\nA: file\r\nB: c\n")
	if h, err := s.Header(); err != nil || !reflect.DeepEqual(h, http.Header{"A": {"flag", "file"}, "B": {"c"}}) {
		t.Errorf("got %v, %v", h, err)
	}
	write("B: d")
	eventually.True(t, "the change", func() bool { h, _ := s.Header(); return h.Get("B") == "d" && len(h["A"]) == 1 })
	write("damaged")
	if h, err := s.Header(); err != nil || h.Get("B") != "d" {
		t.Errorf("after damage: %v, %v", h, err)
	}
}

func TestValidate(t *testing.T) {
	servers := func(all ...string) (urls []*url.URL) {
		for _, s := range all {
			u, _ := url.Parse(s)
			urls = append(urls, u)
		}
		return urls
	}
	both := servers("tls://a", "wss://b")
	for want, test := range map[string]struct {
		cfg     Config
		servers []*url.URL
	}{
		"":                            {Config{CAFile: "a", AddSystemCAs: true, CertFile: "b", KeyFile: "c", Headers: []string{"A: b"}, HeaderFile: "d"}, both},
		"give both or none":           {Config{CertFile: "b"}, both},
		"ca-add-system: only":         {Config{AddSystemCAs: true}, both},
		"header and header-file:":     {Config{HeaderFile: "f"}, servers("tls://a")},
		"header: number 1: Upgrade c": {Config{Headers: []string{"Upgrade: x"}}, both},
	} {
		if err := test.cfg.Validate(test.servers); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", test.cfg, err, want)
		}
	}
}
