package bridge

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func TestSmallRequests(t *testing.T) {
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
			"X-Content-Type-Options": {"nosniff"},
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

func TestRedirectsStayUnderThePrefix(t *testing.T) {
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

func TestBodiesOfAnySizeBothWays(t *testing.T) {
	r := newRig(t, rigOptions{})
	// The body is echoed while it still comes: full duplex.
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if _, err := s.Write(encodeHead(200, head.ContentLength)); err != nil {
			return
		}
		if _, err := s.ReadFrom(s); err == nil {
			_ = s.CloseWrite()
		}
	})
	for _, size := range []int{1, 1000, 28 << 10, 32 << 10, 33 << 10, 300_000, 2 << 20} {
		body := make([]byte, size)
		for i := range body {
			body[i] = byte(rand.Uint32())
		}
		want := sha256.Sum256(body)
		r.both(t, func(t *testing.T, c *http.Client) {
			for _, chunked := range []bool{false, true} {
				req := r.request("POST", "/k8s/clusters/prod/x", strings.NewReader(string(body)))
				if chunked {
					req.ContentLength = -1
				}
				res, got := r.do(c, req)
				if sha256.Sum256([]byte(got)) != want {
					t.Errorf("%d bytes (chunked: %v): got %d other bytes", size, chunked, len(got))
				}
				if wantLength := req.ContentLength; res.ContentLength != wantLength && size > 1000 {
					t.Errorf("%d bytes (chunked: %v): Content-Length %d, want %d", size, chunked, res.ContentLength, wantLength)
				}
			}
		})
	}
}

func TestFullDuplexConversation(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(encodeHead(200, -1))
		_, _ = s.ReadFrom(s)
		_ = s.CloseWrite()
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		pr, pw := io.Pipe()
		res, err := c.Do(r.request("POST", "/k8s/clusters/prod/x", pr)) // nothing sent yet
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		br := bufio.NewReader(res.Body)
		for i := range 5 {
			line := fmt.Sprintf("line %d\n", i)
			if _, err := io.WriteString(pw, line); err != nil {
				t.Fatal(err)
			}
			if got, err := br.ReadString('\n'); err != nil || got != line {
				t.Fatalf("sent %q, got %q, %v", line, got, err)
			}
		}
		_ = pw.Close()
		if b, err := io.ReadAll(br); err != nil || len(b) > 0 {
			t.Errorf("after the end: %q, %v", b, err)
		}
	})
}

func TestEachPieceIsFlushed(t *testing.T) {
	r := newRig(t, rigOptions{})
	next := make(chan string)
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(encodeHead(200, -1, "Content-Type", "application/json;stream=watch"))
		for line := range next {
			if line == "" {
				break
			}
			_, _ = s.Write([]byte(line))
		}
		_ = s.CloseWrite()
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		res, err := c.Do(r.request("GET", "/k8s/clusters/prod/api/v1/pods?watch=1", nil)) // head alone
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		br := bufio.NewReader(res.Body)
		for i := range 5 {
			line := fmt.Sprintf("{\"type\":\"ADDED\",\"n\":%d}\n", i)
			next <- line
			if got, err := br.ReadString('\n'); err != nil || got != line {
				t.Fatalf("event %q, %v, want %q", got, err, line)
			}
		}
		next <- ""
		if b, err := io.ReadAll(br); err != nil || len(b) > 0 {
			t.Errorf("after the end: %q, %v", b, err)
		}
	})
}

func TestResponsesWithoutBody(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		switch head.Target {
		case "/204":
			_ = s.WriteFinal(encodeHead(204, -1))
		case "/304":
			_ = s.WriteFinal(encodeHead(304, 5, "Etag", "\"x\""))
		default:
			_ = s.WriteFinal(encodeHead(200, 1234, "Content-Type", "text/plain"))
		}
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		res, body := r.do(c, r.request("HEAD", "/k8s/clusters/prod/x", nil))
		if res.StatusCode != 200 || res.ContentLength != 1234 || body != "" {
			t.Errorf("HEAD: %d, length %d, body %q", res.StatusCode, res.ContentLength, body)
		}
		for _, status := range []int{204, 304} {
			res, body := r.do(c, r.request("GET", "/k8s/clusters/prod/"+strconv.Itoa(status), nil))
			if res.StatusCode != status || body != "" {
				t.Errorf("got %d %q, want %d", res.StatusCode, body, status)
			}
		}
	})
}

func TestTrailersBothWays(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		b, _ := io.ReadAll(s)
		in, _ := subjects.ParseTrailer(s.Trailer())
		_, _ = s.Write(append(encodeHead(200, -1, "Trailer", "X-Sum"), b...))
		out, _ := subjects.AppendTrailer(nil, http.Header{
			"X-Sum": {in.Get("X-In") + in.Get("Authorization")}, "X-Late": {"1"}, "X-Announced": {head.Header.Get("Trailer")},
		})
		_ = s.CloseWriteTrailer(out)
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		req := r.request("POST", "/k8s/clusters/prod/x", strings.NewReader("hello"))
		req.ContentLength = -1
		req.Trailer = http.Header{"X-In": {"seven"}}
		res, body := r.do(c, req)
		if body != "hello" || res.Trailer.Get("X-Sum") != "seven" || res.Trailer.Get("X-Late") != "1" || res.Trailer.Get("X-Announced") != "X-In" {
			t.Errorf("body %q, trailer %v", body, res.Trailer)
		}
	})
}

func TestInformationalResponses(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		b := append(encodeHead(100, -1), encodeHead(103, -1, "Link", "</x>")...)
		_ = s.WriteFinal(append(append(b, encodeHead(200, 2, "X-A", "b")...), "ok"...))
	})
	_, br := r.raw("GET /k8s/clusters/prod/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n\r\n")
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 103 || res.Header.Get("Link") != "</x>" {
		t.Fatalf("got %v, %v, want a 103", res, err)
	}
	res, err = http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 200 || res.Header.Get("Link") != "" || res.Header.Get("X-A") != "b" {
		t.Fatalf("got %v, %v, want a 200 of its own", res, err)
	}
}

func TestHeadInPieces(t *testing.T) {
	r := newRig(t, rigOptions{})
	long := strings.Repeat("v", 50_000)
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		b := append(encodeHead(200, 2, "X-Long", long), "ok"...)
		for len(b) > 0 {
			n := min(len(b), 1+rand.IntN(9_000))
			if n > 10 && len(b) > 50_000 {
				n = 3 // the prefix too
			}
			_, _ = s.Write(b[:n])
			b = b[n:]
		}
		_ = s.CloseWrite()
	})
	res, body := r.do(r.h1, r.request("GET", "/k8s/clusters/prod/x", nil))
	if body != "ok" || res.Header.Get("X-Long") != long {
		t.Errorf("body %q, header of %d bytes", body, len(res.Header.Get("X-Long")))
	}
}

// A response that breaks must never look complete.
func TestBrokenResponses(t *testing.T) {
	r := newRig(t, rigOptions{})
	arrived := make(chan struct{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		length, _ := strconv.ParseInt(strings.TrimPrefix(head.Target, "/length="), 10, 64)
		switch head.Target {
		case "/reset":
			_, _ = s.Write(append(encodeHead(200, -1), "partial"...))
			<-arrived
			s.Reset(subjects.CodeUpstream, "connection lost")
		case "/reset-late":
			_, _ = s.Write(append(encodeHead(200, 100_000), strings.Repeat("x", 50_000)...))
			<-arrived
			s.Reset(subjects.CodeUpstream, "connection lost")
		default:
			_ = s.WriteFinal(append(encodeHead(200, length), strings.Repeat("x", 10)...))
		}
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		for _, target := range []string{"/reset", "/reset-late", "/length=9", "/length=11"} {
			res, err := c.Do(r.request("GET", "/k8s/clusters/prod"+target, nil))
			if err != nil {
				continue // broken before the head had left
			}
			if strings.HasPrefix(target, "/reset") {
				arrived <- struct{}{}
			}
			b, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err == nil {
				t.Errorf("%s: %d bytes with a clean end", target, len(b))
			}
		}
	})
	r.eventually("the metrics tell", func() bool { return r.metric("fairlead_bridge_aborted_total") > 0 })
}

func TestClientDisconnectReachesTheAgent(t *testing.T) {
	r := newRig(t, rigOptions{})
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if head.Method == "GET" {
			_, _ = s.Write(encodeHead(200, -1))
		}
		began <- struct{}{}
		<-s.Context().Done()
		ended <- context.Cause(s.Context())
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		for _, method := range []string{"GET", "POST"} {
			ctx, cancel := context.WithCancel(t.Context())
			var body io.Reader
			if method == "POST" {
				pr, pw := io.Pipe() // an upload that goes on
				defer pw.Close()
				body = pr
			}
			go func() {
				res, err := c.Do(r.request(method, "/k8s/clusters/prod/x", body).WithContext(ctx))
				if err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
			}()
			within(t, "the agent has the request", 5*time.Second, began)
			cancel()
			start := time.Now()
			err := within(t, method+": the agent's stream ends", 5*time.Second, ended)
			if took := time.Since(start); took > time.Second {
				t.Logf("%s: the agent's stream ended after %v", method, took) // a busy machine
			}
			if re, ok := errors.AsType[*subjects.ResetError](err); !ok || !re.Remote {
				t.Errorf("%s: the agent's stream ended with %v, want a reset by the bridge", method, err)
			}
		}
	})
}

// An API server that refuses an upload early must be heard although the client
// goes on sending.
func TestEarlyResponse(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		s.StopReading()
		reply(s, 413, "too large")
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		for range 5 {
			res, body := r.do(c, r.request("POST", "/k8s/clusters/prod/x", &endless{left: 30 << 20}))
			if res.StatusCode != 413 || body != "too large" {
				t.Errorf("got %d %q, want the early 413", res.StatusCode, body)
			}
		}
	})
	// A client that sends nothing more and waits.
	_, br := r.raw("POST /k8s/clusters/prod/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nContent-Length: 1000000\r\n\r\nabc")
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 413 || !res.Close {
		t.Fatalf("got %v, %v, want a 413 and the connection's end", res, err)
	}
	if b, _ := io.ReadAll(res.Body); string(b) != "too large" {
		t.Errorf("body %q", b)
	}
}

type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	e.left -= n
	return n, nil
}

// The API server must never take a request body that broke for a whole one.
func TestBrokenRequestBodies(t *testing.T) {
	r := newRig(t, rigOptions{})
	bodies := make(chan outcome, 1)
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) { bodies <- drainBody(s) })
	const head = "POST /k8s/clusters/prod/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n"
	const chunked = head + "Transfer-Encoding: chunked\r\n\r\n"
	for name, text := range map[string]string{
		"bad chunk size":      chunked + "5\r\nhello\r\nzz\r\nworld\r\n0\r\n\r\n",
		"chunk without CRLF":  chunked + "5\r\nhelloworld",
		"negative chunk size": chunked + "5\r\nhello\r\n-1\r\n",
		"huge chunk size":     chunked + "5\r\nhello\r\nfffffffffffffffff\r\n",
	} {
		c, br := r.raw(text)
		res, err := http.ReadResponse(br, nil)
		if err != nil || res.StatusCode != 400 {
			t.Errorf("%s: got %v, %v, want a 400", name, res, err)
		} else if b, _ := io.ReadAll(res.Body); !strings.Contains(string(b), `"code":400`) {
			t.Errorf("%s: body %s is no Status", name, b)
		}
		if o := r.bodyEnd(name, bodies); o.eof || o.code != subjects.CodeBadRequest {
			t.Errorf("%s: the agent saw %+v, want a reset with bad-request", name, o)
		}
		_ = c.Close()
	}
	for name, text := range map[string]string{
		"client leaves in a chunked body": chunked + "5\r\nhello\r\n",
		"client leaves in a large body":   head + "Content-Length: 100000\r\n\r\nhello",
	} {
		c, _ := r.raw(text)
		time.AfterFunc(20*time.Millisecond, func() { _ = c.Close() })
		if o := r.bodyEnd(name, bodies); o.eof || o.code == 0 {
			t.Errorf("%s: the agent saw %+v, want a reset", name, o)
		}
	}
	// A small one never leaves the bridge.
	c, _ := r.raw(head + "Content-Length: 10\r\n\r\nhello")
	_ = c.CloseWrite()
	_ = c.Close()
	c, br := r.raw(head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nab")
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 400 {
		t.Errorf("two lengths: got %v, %v, want a 400", res, err)
	}
	_ = c.Close()
	select {
	case o := <-bodies:
		t.Errorf("the agent saw a broken small body: %+v", o)
	default:
	}
}

// bodyEnd waits until a request's body has ended at the agent, which may have
// been reset before its head was read.
func (r *rig) bodyEnd(name string, bodies <-chan outcome) outcome {
	r.t.Helper()
	select {
	case o := <-bodies:
		return o
	case err := <-r.unread:
		return outcome{code: subjects.CodeOf(err)}
	case <-time.After(5 * time.Second):
		r.t.Fatalf("%s: the agent's stream did not end within 5 s", name)
		panic("unreachable")
	}
}

func TestPipelinedRequests(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		b, _ := io.ReadAll(s)
		reply(s, 200, head.Target+string(b))
	})
	const auth = " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n"
	big := strings.Repeat("y", 40_000) // uploaded beside its response
	_, br := r.raw("GET /k8s/clusters/prod/1" + auth + "\r\n" +
		"POST /k8s/clusters/prod/2" + auth + "Content-Length: 3\r\n\r\nabc" +
		"POST /k8s/clusters/prod/3" + auth + "Content-Length: 40000\r\n\r\n" + big +
		"POST /k8s/clusters/prod/4" + auth + "Transfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n" +
		"GET /k8s/clusters/prod/5" + auth + "\r\n")
	for i, want := range []string{"/1", "/2abc", "/3" + big, "/4def", "/5"} {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("response %d: %v", i+1, err)
		}
		if b, err := io.ReadAll(res.Body); err != nil || string(b) != want {
			t.Fatalf("response %d: %.40q, %v, want %.40q", i+1, b, err, want)
		}
	}
}

func TestExpectContinue(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", echoBody)
	for _, n := range []int{5, 50_000} {
		c, br := r.raw("POST /k8s/clusters/prod/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nExpect: 100-continue\r\nContent-Length: " +
			strconv.Itoa(n) + "\r\n\r\n")
		res, err := http.ReadResponse(br, nil)
		if err != nil || res.StatusCode != 100 {
			t.Fatalf("got %v, %v, want a 100", res, err)
		}
		if _, err := io.WriteString(c, strings.Repeat("x", n)); err != nil {
			t.Fatal(err)
		}
		res, err = http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(res.Body); err != nil || len(b) != n {
			t.Errorf("%d bytes, %v, want %d", len(b), err, n)
		}
	}
}

// Readers that stop cost their window, and nobody else's time.
func TestStalledReadersDelayNobody(t *testing.T) {
	r := newRig(t, rigOptions{plain: true})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if head.Target != "/big" {
			reply(s, 200, "hello")
			return
		}
		_, _ = s.Write(encodeHead(200, 1<<30))
		chunk := make([]byte, 64<<10)
		for range 1 << 14 {
			if _, err := s.Write(chunk); err != nil {
				return
			}
		}
	})
	for range 50 {
		_, br := r.raw("GET /k8s/clusters/prod/big HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n\r\n")
		if line, err := br.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			t.Fatalf("%q, %v", line, err)
		}
		// and read no more
	}
	// How long is the benchmark's business; here nothing may stand still.
	r.h1.Timeout = 10 * time.Second
	for range 20 {
		if _, body := r.do(r.h1, r.request("GET", "/k8s/clusters/prod/small", nil)); body != "hello" {
			t.Fatalf("got %q", body)
		}
	}
}

func (r *rig) metric(name string) float64 {
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}
