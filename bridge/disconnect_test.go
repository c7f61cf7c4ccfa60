package bridge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

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
