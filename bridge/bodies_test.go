package bridge

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestManySlowBodies: a caller with many large bodies that do not end is refused one more
// large one, whatever route it is for, and stops neither its own small requests nor those
// of another caller.
func TestManySlowBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("acme", "prod", func(_ *subjects.RequestHead, s *stream.Stream) { reply(s, 200, "{}") })
	const path = "/v1/clusters/prod.acme/requests"
	const slow = 16 // of 8 MiB, which is half of what there is for all
	var held []conn
	for range slow {
		c, _ := r.raw("POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nContent-Length: 8388608\r\n\r\n{")
		held = append(held, c)
	}
	large := `{"path": "/", "method": "POST", "body": "` + strings.Repeat("x", 1<<20) + `"}`
	post := func(token, path, body string) *http.Response {
		req := r.request("POST", path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		res, _ := r.do(r.h2, req)
		return res
	}
	r.eventually("the caller may send no more", func() bool { return post(r.token, path, large).StatusCode == http.StatusTooManyRequests })
	for _, path := range []string{path, "/v1/clusters/prod.acme/apply", "/v1/requests"} {
		if res := post(r.token, path, large); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s of the caller with many bodies: %s, %v", path, res.Status, res.Header)
		}
	}
	if res := post(r.token, path, `{"path": "/"}`); res.StatusCode != 200 {
		t.Errorf("a small request of the caller with many bodies: %s", res.Status)
	}
	if res := post(r.acme, path, large); res.StatusCode != 200 {
		t.Errorf("a large request of another caller: %s", res.Status)
	}
	for _, c := range held {
		_ = c.Close()
	}
	r.eventually("what the bodies had is given back", func() bool { return post(r.token, path, large).StatusCode == 200 })
}
