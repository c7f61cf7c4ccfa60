package bridge

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestDeepJSON: a cluster whose JSON is nested as deep as encoding/json can read breaks
// neither the bridge nor the response that it is a part of.
func TestDeepJSON(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	for _, depth := range []int{9998, 9999, 10000, 10001} {
		deep := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		name := fmt.Sprintf("deep%d", depth)
		r.agent("default", name, func(_ *subjects.RequestHead, s *stream.Stream) {
			reply(s, 200, deep, "Content-Type", "application/json")
		})
		l := r.fleet(`{"clusters": ["` + name + `"], "path": "/"}`).of[name]
		if l.Status != 200 || l.Problem != nil || textOf(t, l.Body) != deep {
			t.Errorf("%d deep: status %d, problem %+v, %d bytes", depth, l.Status, l.Problem, len(l.Body))
		}
		_, text := r.do(r.h1, r.request("POST", "/v1/clusters/"+name+"/requests", strings.NewReader(`{"path": "/"}`)))
		var got api.CallResult
		if err := json.Unmarshal([]byte(text), &got); err != nil || textOf(t, got.Body) != deep {
			t.Errorf("%d deep: %v, %d bytes", depth, err, len(got.Body))
		}
	}
}

// textOf is a body that may be a text of JSON.
func textOf(t *testing.T, body json.RawMessage) string {
	t.Helper()
	if !strings.HasPrefix(string(body), `"`) {
		return string(body)
	}
	var text string
	if err := json.Unmarshal(body, &text); err != nil {
		t.Fatal(err)
	}
	return text
}

// TestTextThatGrows: what a cluster answers is at most twice as large as JSON.
func TestTextThatGrows(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	for i, text := range []string{strings.Repeat("\x01", 1<<20), strings.Repeat("<", 1<<20), strings.Repeat("\u2028", 1<<18), strings.Repeat(`"`, 1<<20), strings.Repeat("\n\x1b[31mred", 1<<15)} {
		name := fmt.Sprintf("cluster%d", i)
		r.agent("default", name, func(_ *subjects.RequestHead, s *stream.Stream) {
			reply(s, 200, text, "Content-Type", "text/plain")
		})
		_, body := r.do(r.h1, r.request("POST", "/v1/clusters/"+name+"/requests", strings.NewReader(`{"path": "/"}`)))
		var got api.CallResult
		if err := json.Unmarshal([]byte(body), &got); err != nil || textOf(t, got.Body)+string(got.BodyBase64) != text {
			t.Errorf("%.3q: %v, %d and %d bytes", text, err, len(got.Body), len(got.BodyBase64))
		}
		if most := 2*len(text) + 1000; len(body) > most {
			t.Errorf("%.3q: a body of %d bytes becomes a response of %d", text, len(text), len(body))
		}
		if text[0] == '\n' && got.Body == nil {
			t.Errorf("a log with colors is not text")
		}
		res, err := r.h1.Do(r.request("POST", "/v1/requests", strings.NewReader(`{"clusters": ["`+name+`"], "path": "/"}`)))
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if most := int64(2*len(text) + 1000); err != nil || n > most {
			t.Errorf("%.3q: %v, a body of %d bytes becomes lines of %d", text, err, len(text), n)
		}
	}
}
