package bridge

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// A response has the content type that the cluster declares, or none: neither the
// bridge nor a browser guesses a page from the bytes.
func TestTypesAreNotGuessed(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	const page = "<!DOCTYPE html><script>alert(1)</script>"
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		switch head.Target {
		case "/untyped":
			reply(s, 200, page)
		case "/untyped-stream":
			_ = s.WriteFinal(append(encodeHead(200, -1), page...))
		case "/own-rule":
			reply(s, 200, page, "Content-Type", "text/html", "X-Content-Type-Options", "sniff")
		default:
			status, _ := strconv.Atoi(head.Target[1:])
			reply(s, status, page, "Content-Type", "text/plain")
		}
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		for target, want := range map[string][]string{
			"/untyped": nil, "/untyped-stream": nil, "/own-rule": {"text/html"}, "/200": {"text/plain"}, "/500": {"text/plain"},
		} {
			res, body := r.do(c, r.request("GET", "/k8s/clusters/prod"+target, nil))
			if body != page {
				t.Errorf("%s: body %q", target, body)
			}
			if got := res.Header["Content-Type"]; len(got) != len(want) || len(want) > 0 && got[0] != want[0] {
				t.Errorf("%s: Content-Type %q, want %q, as the cluster has it", target, got, want)
			}
			if got := res.Header["X-Content-Type-Options"]; len(got) != 1 || got[0] != "nosniff" {
				t.Errorf("%s: X-Content-Type-Options %q, want nosniff alone", target, got)
			}
		}
	})
}
