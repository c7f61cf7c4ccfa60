package bridge

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestWithheldBodyDoesNotOutliveItsToken: a client that is let in and keeps its
// body back does not get the request executed once its token is revoked.
func TestWithheldBodyDoesNotOutliveItsToken(t *testing.T) {
	t.Parallel()
	for path, body := range map[string]string{
		"/k8s/clusters/prod/api/v1/pods": `{"kind":"Pod"}`,
		"/v1/clusters/prod/requests":     `{"method":"POST","path":"/api/v1/pods","body":{}}`,
	} {
		t.Run(path, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			executed := make(chan *subjects.RequestHead, 10)
			r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
				executed <- head
				hello(head, s)
			})
			c, br := r.raw("POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nContent-Length: " +
				strconv.Itoa(len(body)) + "\r\n\r\n" + body[:1])
			r.eventually("the request is being read", func() bool { return r.server.running.Load() == 1 })
			r.writeTokens()
			r.eventually("the token is refused", func() bool {
				res, _ := r.do(r.h1, r.request("GET", "/v1/clusters/prod/kubeconfig", nil))
				return res.StatusCode == http.StatusUnauthorized
			})
			if _, err := io.WriteString(c, body[1:]); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			if res.StatusCode != http.StatusUnauthorized || !json.Valid(b) || !strings.Contains(string(b), "nothing was executed") {
				t.Errorf("got %d %s, want a 401 that says that nothing was executed", res.StatusCode, b)
			}
			if len(executed) > 0 {
				t.Errorf("the agent got %+v", <-executed)
			}
		})
	}
}
