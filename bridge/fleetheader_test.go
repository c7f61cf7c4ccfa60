package bridge

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestFleetCallBoundsHeaders: a line has no more of a response's header than 16 KiB, so that
// those of a thousand clusters that wait for the client are no gigabyte.
func TestFleetCallBoundsHeaders(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		large := strings.Repeat("w", 15<<10)
		reply(s, 200, `{"a":1}`, "Content-Type", "application/json", "Warning", large, "Warning", large, "Warning", "small")
	})
	l := r.fleet(`{"clusters": ["prod"], "path": "/"}`).of["prod"]
	if w := l.Headers["Warning"]; string(l.Body) != `{"a":1}` || len(w) != 2 || w[1] != "small" || l.Headers.Get("Content-Type") != "application/json" {
		t.Errorf("%s, %d warnings, %d headers", l.Body, len(w), len(l.Headers))
	}
	l = r.fleet(`{"clusters": ["prod"], "path": "/", "responseHeaders": []}`).of["prod"]
	if string(l.Body) != `{"a":1}` || len(l.Headers) != 0 {
		t.Errorf("%s, %v", l.Body, l.Headers)
	}
}
