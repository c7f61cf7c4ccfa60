package bridge

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// An API server that refuses an upload early must be heard although the client
// goes on sending.
func TestEarlyResponse(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
			t.Errorf("%s: body %s is not a Status", name, b)
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
