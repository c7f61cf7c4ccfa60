package endpoint

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// TestUnreadBodies: what is wrong with a body is said in words of JSON, and what may
// stand there instead.
func TestUnreadBodies(t *testing.T) {
	for body, want := range map[string]string{
		`{"path": /version}`:                "invalid character '/' looking for beginning of value, at byte 10",
		`{"path": "/", "timeout": 5}`:       "timeout is of type number, want string",
		`{"path": "/", "stream": "yes"}`:    "stream is of type string, want bool",
		`{"path": ["/"]}`:                   "path is of type array, want string",
		`[]`:                                "the whole is of type array, want object",
		`{"url": "/version"}`:               `unknown field "url"; there are method, path,`,
		`{"paht": "/version"}`:              `unknown field "paht": did you mean "path"?`,
		`{"path": "/"} {"path": "/livez"}`:  "more than one JSON value",
		`{"path": "/", "body": {"a": "b"}`:  "unexpected EOF",
		`{"path": "/", "timeout": "5s",, }`: "at byte",
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		f := ReadJSON(httptest.NewRecorder(), r, new(api.Call), 1<<10, "{}")
		if f == nil || !strings.Contains(f.Detail, want) {
			t.Errorf("%s: %v, want %q", body, f, want)
		}
		if f != nil && (strings.Contains(f.Detail, "Go ") || strings.Contains(f.Detail, "json:")) {
			t.Errorf("%s: %s", body, f.Detail)
		}
	}
}
