package bridge

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// refusalOf is the body of an API server's 403.
func refusalOf(verb, resource string) string {
	return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \"web\" is forbidden: `+
		`User \"jane\" cannot %s resource \"%s\" in API group \"\" in the namespace \"shop\"","reason":"Forbidden","code":403}`, verb, resource)
}

func asJane(c *Config) { c.Authorizer = actAs{as: &subjects.Identity{User: "jane"}} }

const janeRefused = `Kubernetes RBAC of cluster \"prod\" refused this request. It was executed as user \"jane\" without groups.`

// The head of a refused exec, attach, port-forward or watch arrives before its body.
// The warning is there nevertheless, with and without an upgrade, and the connection
// stays an HTTP connection.
func TestRBACRefusalOfAStreamCarriesAWarning(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{config: asJane})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		verb, resource := "create", "pods/exec"
		switch {
		case strings.Contains(head.Target, "watch=1"):
			verb, resource = "watch", "pods"
		case head.Method == "GET" && !strings.Contains(head.Target, "later=1"):
			verb = "get"
		}
		length := int64(-1)
		body := refusalOf(verb, resource)
		if !strings.Contains(head.Target, "chunked=1") {
			length = int64(len(body))
		}
		_, _ = s.Write(encodeHead(403, length, "Content-Type", "application/json"))
		time.Sleep(20 * time.Millisecond) // as long as the body is on its way, and no synchronisation
		_, _ = s.Write([]byte(body[:50]))
		_ = s.WriteFinal([]byte(body[50:]))
	})
	const pod = "/k8s/clusters/prod/api/v1/namespaces/shop/pods/web/"
	const spdy, websocket = "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	for _, tt := range []struct{ method, path, header string }{
		{"POST", pod + "exec?command=ls", ""}, {"POST", pod + "exec?command=ls", spdy}, {"POST", pod + "exec?command=ls&chunked=1", spdy},
		{"GET", pod + "exec?command=ls", ""}, {"GET", pod + "exec?command=ls", websocket}, {"GET", pod + "exec?command=ls&later=1", websocket},
		{"POST", pod + "attach", spdy}, {"GET", pod + "attach?chunked=1", websocket},
		{"POST", pod + "portforward", spdy}, {"GET", pod + "portforward", websocket},
		{"POST", pod + "exec?command=ls", "Transfer-Encoding: chunked\r\n"}, // its body does not end
		{"GET", "/k8s/clusters/prod/api/v1/namespaces/shop/pods?watch=1", ""},
	} {
		_, br := r.raw(tt.method + " " + tt.path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n" + tt.header + "\r\n")
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 403 || !strings.HasSuffix(string(body), `"code":403}`) {
			t.Errorf("%s %s %q: %d %q, %v", tt.method, tt.path, tt.header, res.StatusCode, body, err)
		}
		if w := res.Header["Warning"]; len(w) != 1 || !strings.Contains(w[0], janeRefused) {
			t.Errorf("%s %s %q: warnings %q", tt.method, tt.path, tt.header, w)
		}
	}
}

// A 403 whose body does not come is passed on nevertheless, and its body once it comes.
func TestRBACRefusalWithoutABodyIsPassedOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{config: asJane})
	seen := make(chan struct{})
	body := refusalOf("create", "pods/exec")
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(append(encodeHead(403, int64(len(body))), body[:40]...))
		select {
		case <-seen:
			_ = s.WriteFinal([]byte(body[40:]))
		case <-s.Context().Done():
		}
	})
	c, br := r.raw("POST /k8s/clusters/prod/api/v1/namespaces/shop/pods/web/exec HTTP/1.1\r\nHost: x\r\n" +
		"Authorization: Bearer $TOKEN\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 403 || res.Header["Warning"] != nil {
		t.Fatalf("got %+v, %v, want a 403 without a warning", res, err)
	}
	close(seen)
	if got, err := io.ReadAll(bufio.NewReader(res.Body)); err != nil || string(got) != body {
		t.Errorf("body %q, %v", got, err)
	}
}
