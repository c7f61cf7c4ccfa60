package requests

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"
	"unicode/utf8"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
)

// FuzzCall: no body makes a request that the wire could not carry as it is.
func FuzzCall(f *testing.F) {
	for _, doc := range []string{
		`{"path":"/version"}`, `{"path":"/","method":"A B","headers":{"a":["b","c"]},"body":{"a":1}}`, `{"path":"/x","stream":true,"timeout":"24h"}`,
		`{"path":"//x?\u0000","bodyBase64":"AA=="}`, `{"path":"/x","body":"\ud800"}`, `{"path":"/x","body":null,"timeout":"1ns"}`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var c api.Call
		if json.Unmarshal(doc, &c) != nil {
			return
		}
		req, failure := call.Read(&c)
		if failure != nil {
			if failure.Kind.Status != http.StatusBadRequest {
				t.Errorf("%v", failure)
			}
			return
		}
		if req.Target[0] != '/' || req.Timeout < 0 || req.Timeout > call.MaxStreamTimeout || req.Timeout > call.MaxTimeout && !c.Stream {
			t.Errorf("%+v", req)
		}
	})
}

// FuzzParts: the parts of a body are the body, however it comes, and text is text.
func FuzzParts(f *testing.F) {
	f.Add([]byte("h\xc3\xa9llo"), 2, false)
	f.Add([]byte("\xff\xf0\x9f\x98\x80"), 1, false)
	f.Add([]byte("\x1f\x8b"), 1, true)
	f.Fuzz(func(t *testing.T, body []byte, size int, encoded bool) {
		size = max(size, 1)
		p := parts{encoded: encoded}
		var got []byte
		for rest := body; ; {
			n := min(size, len(rest))
			last := n == len(rest)
			line, any := p.next(rest[:n], last)
			text, err := json.Marshal(line)
			if err != nil {
				t.Fatal(err)
			}
			var read struct{ Body, BodyBase64 string }
			if err := json.Unmarshal(text, &read); err != nil || any == (string(text) == "{}") {
				t.Fatalf("%s: %v, %v", text, any, err)
			}
			raw, err := base64.StdEncoding.DecodeString(read.BodyBase64)
			if err != nil || line.BodyBase64 != nil && utf8.Valid(body) && !encoded {
				t.Fatalf("%s: %v, and all of it is text", text, err)
			}
			got = append(append(got, read.Body...), raw...)
			if rest = rest[n:]; last {
				break
			}
		}
		if !bytes.Equal(got, body) {
			t.Errorf("%q became %q", body, got)
		}
	})
}
