package bridge

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// A watch that the cluster's owner ends, by a changed allow-list, says why.
func TestWatchEndedByTheOwner(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(append(encodeHead(200, -1, "Content-Type", "application/json"), encodeEvent(t, runtime.ContentTypeJSON)...))
		_ = s.Flush()
		s.Reset(subjects.CodeRevoked, "the allow-list has changed: rule requests")
	})
	r.both(t, func(t *testing.T, c *http.Client) {
		_, body := r.do(c, r.request("GET", "/k8s/clusters/prod/api/v1/pods?watch=1", nil))
		lines := strings.Split(strings.TrimSpace(body), "\n")
		last := lines[len(lines)-1]
		for _, want := range []string{`"type":"ERROR"`, `"code":403`, "no longer allows this request", "allow-list"} {
			if len(lines) != 2 || !strings.Contains(last, want) {
				t.Errorf("%q lacks %q", last, want)
			}
		}
	})
}

// An exec that the cluster's owner ends says why, over both protocols.
func TestExecEndedByTheOwner(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"spdy", "v5.channel.k8s.io"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r, end := newExecRig(t), make(chan struct{})
			r.agent("acme", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
				go func() {
					<-end
					s.Reset(subjects.CodeRevoked, "the allow-list has changed: rule requests")
				}()
				r.execute(head, s)
			})
			out, ended := r.exec(t, protocol)
			r.eventually("the output comes", func() bool { return out.String() == "hi" })
			close(end)
			err := within(t, "the exec ends", 5*time.Second, ended)
			if err == nil || !strings.Contains(err.Error(), "no longer allows this request") {
				t.Errorf("the exec ended with %v", err)
			}
		})
	}
}
