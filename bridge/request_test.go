package bridge

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func TestSmallRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		b, _ := io.ReadAll(s)
		reply(s, 200, head.Method+" "+head.Target+" "+string(b)+" "+strconv.FormatInt(head.ContentLength, 10))
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		for _, tt := range []struct{ method, path, body, want string }{
			{"GET", "/k8s/clusters/prod/api/v1/pods?limit=5", "", "GET /api/v1/pods?limit=5  0"},
			{"GET", "/k8s/clusters/prod", "", "GET /  0"},
			{"GET", "/k8s/clusters/prod/", "", "GET /  0"},
			{"GET", "/k8s/clusters/prod?x=y", "", "GET /?x=y  0"},
			{"GET", "/k8s/clusters/prod.default/version", "", "GET /version  0"},
			{"POST", "/k8s/clusters/prod/x", "body", "POST /x body 4"},
			{"DELETE", "/k8s/clusters/prod/x", "{}", "DELETE /x {} 2"},
			{"QUERY", "/k8s/clusters/prod/x", "", "QUERY /x  0"},
		} {
			res, body := r.do(c, r.request(tt.method, tt.path, strings.NewReader(tt.body)))
			if res.StatusCode != 200 || body != tt.want {
				t.Errorf("%s %s: %d %q, want %q", tt.method, tt.path, res.StatusCode, body, tt.want)
			}
			if res.ContentLength != int64(len(tt.want)) {
				t.Errorf("%s %s: Content-Length %d, want %d", tt.method, tt.path, res.ContentLength, len(tt.want))
			}
		}
	})
}

// A target must reach the API server as it was sent; clients and routers like
// to clean it.
func TestTargetsPassByteForByte(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{publicURL: "https://git.example.com/-/fairlead/"})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) { reply(s, 200, head.Target) })
	for _, target := range []string{
		"/", "//", "///a//b/", "/a/../b/./c", "/..", "/../../v1/clusters", "/a%2Fb", "/a%2fb%00%20", "/%2e%2e/x",
		"/api?x=%2F&y=a+b&z=;", "/api?", "/api??", "/a;b=c/d,e:f@g!$&'()*+", "/?watch=1&labelSelector=a%3Db",
		"/é", "/a|b\"<>\\^`{}", "/api/v1/namespaces/x/services/https:y:443/proxy/../z#frag",
		"/k8s/clusters/other/api", "/" + strings.Repeat("x", 20_000),
	} {
		for _, base := range []string{"", "/-/fairlead", "http://any.example.com", "HTTPS://u/-/fairlead"} {
			_, br := r.raw("GET " + base + "/k8s/clusters/prod" + target +
				" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nConnection: close\r\n\r\n")
			res, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatalf("%s: %v", target, err)
			}
			b, _ := io.ReadAll(res.Body)
			if res.StatusCode != 200 || string(b) != target {
				t.Errorf("target %.60q arrived as %d %.200q", target, res.StatusCode, b)
			}
		}
	}
}

func TestHeadersBothWays(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	got := make(chan *subjects.RequestHead, 1)
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		got <- head
		reply(s, 200, "x", "Content-Type", "application/json", "Warning", "299 - \"a\"", "Warning", "299 - \"b\"",
			"Audit-Id", "42", "Set-Cookie", "a=b", "Connection", "X-Hop", "X-Hop", "1", "Keep-Alive", "timeout=5",
			"Strict-Transport-Security", "max-age=0", "Fairlead-Error", "cluster-offline", "X-Request-Id", "theirs")
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		req := r.request("GET", "/k8s/clusters/prod/x", nil)
		req.Header["Accept"] = []string{"application/json;as=Table", "application/json"}
		for k, v := range map[string]string{
			"X-Remote-User": "root", "X-Remote-Extra-A": "b", "Cookie": "session=1", "Proxy-Authorization": "Basic eA==",
			"X-Forwarded-For": "1.2.3.4", "Forwarded": "for=1.2.3.4", "X-Real-Ip": "1.2.3.4", "Te": "trailers",
			"X-Request-Id": "caller-7", "User-Agent": "kubectl/v1.34", "X-Custom": "kept",
		} {
			req.Header.Set(k, v)
		}
		res, _ := r.do(c, req)
		head := <-got
		want := http.Header{
			"Accept":     {"application/json;as=Table", "application/json"},
			"User-Agent": {"kubectl/v1.34"}, "X-Custom": {"kept"},
		}
		if !maps.EqualFunc(head.Header, want, slices.Equal) {
			t.Errorf("the agent got %v, want %v", head.Header, want)
		}
		if head.RequestID != "caller-7" || res.Header.Get("X-Request-Id") != "caller-7" {
			t.Errorf("request id %q at the agent, %q in the response, want the caller's", head.RequestID, res.Header.Get("X-Request-Id"))
		}
		res.Header.Del("Date")
		wantResponse := http.Header{
			"Content-Type": {"application/json"}, "Content-Length": {"1"}, "Audit-Id": {"42"},
			"Warning": {"299 - \"a\"", "299 - \"b\""}, "X-Request-Id": {"caller-7"},
			"X-Content-Type-Options": {"nosniff"}, "Content-Security-Policy": {"sandbox"},
		}
		if !maps.EqualFunc(res.Header, wantResponse, slices.Equal) {
			t.Errorf("the caller got %v, want %v", res.Header, wantResponse)
		}
	})
	req := r.request("GET", "/k8s/clusters/prod/x", nil)
	req.Header.Set("X-Request-Id", "bad id\twith spaces")
	res, _ := r.do(r.h1, req)
	if id := res.Header.Get("X-Request-Id"); len(id) != 32 || id != (<-got).RequestID {
		t.Errorf("a made-up request id was not replaced: %q", id)
	}
}
