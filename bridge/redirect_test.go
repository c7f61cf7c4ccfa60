package bridge

import (
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func TestRedirectsStayUnderThePrefix(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ public, prefix string }{
		{"", "/k8s/clusters/prod"}, {"https://h/-/fairlead", "/-/fairlead/k8s/clusters/prod"},
	} {
		r := newRig(t, rigOptions{publicURL: tt.public})
		location := make(chan string, 1)
		r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
			l := <-location
			reply(s, 301, "", "Location", l)
		})
		for in, want := range map[string]string{
			"/api/v1/":    tt.prefix + "/api/v1/",
			"/a%2Fb?x=y":  tt.prefix + "/a%2Fb?x=y",
			"/a#f":        tt.prefix + "/a#f",
			"?continue=x": tt.prefix + "/x?continue=x",
			"pods":        tt.prefix + "/pods",
			// Clients follow with the caller's token.
			"../../other/x":           tt.prefix + "/other/x",
			"/../other/x":             tt.prefix + "/other/x",
			"/.//elsewhere/x":         tt.prefix + "/elsewhere/x",
			"/%2e%2E/other/x":         "",
			"..\\other":               "",
			"//elsewhere/x":           "",
			"https://elsewhere.net/x": "",
			"mailto:x":                "",
		} {
			location <- in
			res, _ := r.do(r.h1, r.request("GET", "/k8s/clusters/prod/x", nil))
			if got := res.Header.Get("Location"); got != want {
				t.Errorf("Location %q became %q, want %q", in, got, want)
			}
		}
	}
}
