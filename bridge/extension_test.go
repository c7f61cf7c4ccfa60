package bridge

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestExtensionsOfOthers: an agent of another release extends its responses, or
// does not know an extension that a request must have.
func TestExtensionsOfOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	var asked atomic.Int32
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		asked.Add(1)
		resp := &subjects.ResponseHead{Status: 200, ContentLength: 2, Header: http.Header{"X-A": {"b"}}}
		switch head.Target {
		case "/ignored":
			resp.Extensions = []subjects.Extension{{ID: 2, Value: "new"}, {ID: 1 << 40}}
		case "/critical":
			resp.Extensions = []subjects.Extension{{ID: 3, Value: "new"}}
		case "/refused":
			s.Reset(subjects.CodeIncompatible, subjects.ErrExtension.Error()+" 1")
			return
		}
		b, err := subjects.AppendResponseHead(nil, resp)
		if err != nil {
			panic(err)
		}
		_ = s.WriteFinal(append(b, "ok"...))
	})
	for range 2 { // heads are used again
		res, body := r.do(r.h2, r.request("GET", "/k8s/clusters/prod/ignored", nil))
		if res.StatusCode != 200 || body != "ok" || res.Header.Get("X-A") != "b" {
			t.Errorf("extensions to be ignored: %d %q %v", res.StatusCode, body, res.Header)
		}
		res, body = r.do(r.h2, r.request("GET", "/k8s/clusters/prod/critical", nil))
		wantFailure(t, res, body, answer.ProtocolError)
	}
	asked.Store(0)
	res, body := r.do(r.h2, r.request("POST", "/k8s/clusters/prod/refused", nil))
	if s := wantFailure(t, res, body, answer.Incompatible); asked.Load() != 1 ||
		!strings.Contains(s.Message, "nothing was executed: unknown critical extension 1") {
		t.Errorf("the one agent was asked %d times, and the caller reads %q", asked.Load(), s.Message)
	}
}
