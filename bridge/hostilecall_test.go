package bridge

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestHostileCalls: a call as JSON can have a method and a path that no HTTP request has. None
// of them gets to a cluster, alone or in a fleet call.
func TestHostileCalls(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	var asked atomic.Int32
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		asked.Add(1)
		reply(s, 200, "{}")
	})
	for _, c := range []struct{ method, path string }{
		{"GET / HTTP/1.1\r\nX: y\r\n\r\n", "/"}, {"G ET", "/"}, {"GET\x00", "/"}, {"GÉT", "/"}, {strings.Repeat("G", 1<<20), "/"},
		{"GET", "/a b"}, {"GET", "/a\r\nX: y"}, {"GET", "/a\x00"}, {"GET", "/a?b c"}, {"GET", "/a?b\r\nX: y"}, {"GET", "/a?\x7f"},
		{"GET", "http://evil.example.com/"}, {"GET", "*"}, {"GET", ""}, {"GET", "/" + strings.Repeat("a", 1<<20)},
	} {
		one, _ := json.Marshal(map[string]any{"method": c.method, "path": c.path})
		res, text := r.do(r.h1, r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(string(one))))
		if res.StatusCode/100 != 4 || len(text) > 4096 {
			t.Errorf("%.20q %.20q: %d %.200s", c.method, c.path, res.StatusCode, text)
		}
		many, _ := json.Marshal(map[string]any{"method": c.method, "path": c.path, "clusters": []string{"prod"}})
		res, text = r.do(r.h1, r.request("POST", "/v1/requests", strings.NewReader(string(many))))
		if res.StatusCode != 400 && (!strings.Contains(text, `"status":400`) && !strings.Contains(text, `"status":431`)) || len(text) > 4096 {
			t.Errorf("fleet: %.20q %.20q: %d %.200s", c.method, c.path, res.StatusCode, text)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the cluster was asked %d times", n)
	}
}
