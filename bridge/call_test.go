package bridge

import (
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// callRig is a rig whose agent of cluster prod does what the path of a call
// asks for, and a channel of the request heads that the agent got.
func callRig(t *testing.T) (*rig, <-chan *subjects.RequestHead) {
	t.Helper()
	r := newRig(t, rigOptions{})
	heads := make(chan *subjects.RequestHead, 8)
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		b, _ := io.ReadAll(s)
		heads <- head
		switch head.Target {
		case "/echo":
			reply(s, 201, string(b), "Content-Type", head.Header.Get("Content-Type"), "X-Many", "1", "X-Many", "2", "Set-Cookie", "a=b")
		case "/binary":
			reply(s, 200, "\xff\x00", "Content-Type", "application/octet-stream")
		case "/empty":
			_ = s.WriteFinal(encodeHead(204, -1))
		case "/huge":
			_, _ = s.Write(encodeHead(200, -1))
			chunk := make([]byte, 64<<10)
			for {
				if _, err := s.Write(chunk); err != nil {
					return
				}
			}
		case "/slow":
			<-s.Context().Done()
		case "/short":
			_ = s.WriteFinal(append(encodeHead(200, 5), "x"...))
		}
	})
	return r, heads
}

// call makes a call as JSON of cluster prod.
func (r *rig) call(doc string) (*http.Response, string) {
	r.t.Helper()
	return r.do(r.h2, r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(doc)))
}

func TestCallBodiesBothWays(t *testing.T) {
	t.Parallel()
	r, heads := callRig(t)
	for _, tt := range []struct {
		name, doc   string
		contentType string
		body        string // of the result, as JSON
		base64      string
	}{
		{"object", `{"method":"POST","path":"/echo","body":{"a":[1,2]}}`, "application/json", `{"a":[1,2]}`, ""},
		{"string", `{"method":"POST","path":"/echo","body":"plain","headers":{"content-type":"text/plain"}}`, "text/plain", `"plain"`, ""},
		{"base64", `{"method":"POST","path":"/echo","bodyBase64":"/wA="}`, "", "", "/wA="},
		{"merge patch", `{"method":"PATCH","path":"/echo","body":{"b":null},"headers":{"Content-Type":"application/merge-patch+json"}}`, "application/merge-patch+json", `{"b":null}`, ""},
		{"text that is not JSON", `{"method":"POST","path":"/echo","body":"{","headers":{"Content-Type":["application/json"]}}`, "application/json", `"{"`, ""},
	} {
		res, body := r.call(tt.doc)
		if res.StatusCode != 200 {
			t.Fatalf("%s: %d %s", tt.name, res.StatusCode, body)
		}
		got := decode[api.CallResult](t, body)
		head := <-heads
		if got.Status != 201 || string(got.Body) != tt.body || base64.StdEncoding.EncodeToString(got.BodyBase64) != tt.base64 ||
			head.Header.Get("Content-Type") != tt.contentType || !slices.Equal(got.Headers["X-Many"], []string{"1", "2"}) || got.Headers["Set-Cookie"] != nil {
			t.Errorf("%s: %s; the agent got %+v", tt.name, body, head)
		}
		if d, err := time.ParseDuration(got.Duration); err != nil || d <= 0 {
			t.Errorf("%s: duration %q", tt.name, got.Duration)
		}
		if head.RequestID != res.Header.Get("X-Request-Id") || head.Timeout != 30*time.Second {
			t.Errorf("%s: request id %q, timeout %v", tt.name, head.RequestID, head.Timeout)
		}
	}
	if _, body := r.call(`{"path":"/binary"}`); decode[api.CallResult](t, body).Body != nil || string(decode[api.CallResult](t, body).BodyBase64) != "\xff\x00" {
		t.Errorf("binary: %s", body)
	}
	<-heads
	if _, body := r.call(`{"path":"/empty","method":"DELETE"}`); decode[api.CallResult](t, body).Status != 204 {
		t.Errorf("empty: %s", body)
	}
	<-heads
}

func TestCallHeadAtTheAgent(t *testing.T) {
	t.Parallel()
	r, heads := callRig(t)
	_, body := r.call(`{"path":"/binary?x=y","headers":{"X-Remote-User":"root","Authorization":"Bearer x","X-A":["1","2"]},"timeout":"5s"}`)
	if head := <-heads; head.Method != "GET" || head.Target != "/binary?x=y" || head.Timeout != 5*time.Second ||
		!maps.EqualFunc(head.Header, http.Header{"X-A": {"1", "2"}}, slices.Equal) {
		t.Errorf("the agent got %+v (%s)", head, body)
	}
}

func TestCallsThatFailAtTheCluster(t *testing.T) {
	t.Parallel()
	r, _ := callRig(t)
	for doc, want := range map[string]*answer.Kind{
		`{"path":"/huge"}`:                   answer.ResponseTooLarge,
		`{"path":"/slow","timeout":"100ms"}`: answer.TimedOut,
		`{"path":"/short"}`:                  answer.ProtocolError,
	} {
		res, body := r.call(doc)
		wantFailure(t, res, body, want)
	}
}

func TestBadCalls(t *testing.T) {
	t.Parallel()
	r, heads := callRig(t)
	for doc, want := range map[string]string{
		``: "the body is empty", `{}`: "path: none given", `{"path":"x"}`: "path: \"x\" does not begin with a slash",
	} {
		_, body := r.call(doc)
		if got := decode[api.Problem](t, body).Detail; !strings.Contains(got, want) {
			t.Errorf("%s: detail %q, want %q in it", doc, got, want)
		}
	}
	for doc, want := range map[string]*answer.Kind{
		``:                              answer.BadRequest,
		`[]`:                            answer.BadRequest,
		`{"path":"/x","pth":1}`:         answer.BadRequest,
		`{"path":"/x"} {}`:              answer.BadRequest,
		`{"path":"x"}`:                  answer.BadRequest,
		`{}`:                            answer.BadRequest,
		`{"path":"/a b"}`:               answer.BadRequest,
		`{"path":"/x","method":"A B"}`:  answer.BadRequest,
		`{"path":"/x","timeout":"1"}`:   answer.BadRequest,
		`{"path":"/x","timeout":"1h"}`:  answer.BadRequest,
		`{"path":"/x","timeout":"-1s"}`: answer.BadRequest,
		`{"path":"/x","body":"a","bodyBase64":"YQ=="}`:   answer.BadRequest,
		`{"path":"/x","bodyBase64":"%"}`:                 answer.BadRequest,
		`{"path":"/x","headers":{"X":1}}`:                answer.BadRequest,
		`{"path":"/x","headers":{"X":"a\nb"}}`:           answer.BadRequest,
		`{"path":"/x","headers":{"X Y":"a"}}`:            answer.BadRequest,
		`{"path":"/` + strings.Repeat("x", 9<<20) + `"}`: answer.BodyTooLarge,
		`{"path":"/` + strings.Repeat("x", 2<<20) + `"}`: answer.HeadTooLarge,
	} {
		res, body := r.call(doc)
		if res.Header.Get("Fairlead-Error") != want.Code {
			t.Errorf("%.60s: %d %s, want %s", doc, res.StatusCode, body, want.Code)
			continue
		}
		wantFailure(t, res, body, want)
	}
	select {
	case head := <-heads:
		t.Errorf("a bad call reached the agent: %+v", head)
	default:
	}
}
