package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestBrokenChunkedBody: a body that breaks off is never taken for a whole one.
func TestBrokenChunkedBody(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	for name, body := range map[string]string{
		"bad-size":        "5\r\nhello\r\nzz\r\n",
		"no-end":          "4\r\nabcd\r\n",
		"wrong-length":    "2\r\nabcdef\r\n0\r\n\r\n",
		"negative":        "-1\r\n",
		"huge-size":       "fffffffffffffffff\r\n",
		"after-an-object": "",
	} {
		t.Run(name, func(t *testing.T) {
			// The part that arrives is a whole object: a server that took the end
			// of the connection for the end of the body would create it.
			object := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q}}`, name)
			sent := fmt.Sprintf("%x\r\n%s\r\n", len(object), object) + body
			c := (&space{suite: sp.suite, t: t, name: sp.name}).dialRaw(sp.tunnel, 30*time.Second)
			c.write(t, requestHead(t, sp.tunnel, "POST", sp.path("/configmaps"),
				"Content-Type: application/json", "Transfer-Encoding: chunked"))
			c.write(t, sent)
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			// The connection is at fault, so there may be no answer. If there is
			// one, it is a refusal.
			if resp, err := http.ReadResponse(c.r, &http.Request{Method: "POST"}); err == nil {
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				t.Logf("%s: %s", resp.Status, body)
				if resp.StatusCode < 400 {
					t.Errorf("answered %s: %s", resp.Status, body)
				}
			}
			_, err := sp.admin.CoreV1().ConfigMaps(sp.name).Get(t.Context(), name, metav1.GetOptions{})
			if !apierrors.IsNotFound(err) {
				t.Errorf("the object was made of a broken body (%v)", err)
			}
		})
	}
}

// TestUpgradeAnsweredOtherwise: only a 101 turns a connection into raw bytes.
// After any other answer the connection continues with HTTP.
func TestUpgradeAnsweredOtherwise(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	o := sp.newOrigin()
	upgrade := []string{"Connection: Upgrade", "Upgrade: echo"}
	for _, status := range []int{200, 301, 400, 403, 404, 500, 503} {
		var answers [2]answer
		for i, s := range []side{sp.direct, sp.tunnel} {
			c := sp.dialRaw(s, 30*time.Second)
			c.write(t, requestHead(t, s, "GET", fmt.Sprintf("%s/upgrade/%d", o.path, status), upgrade...))
			resp := c.response(t, "GET")
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Errorf("status %d (%s): %v", status, s.name, err)
			}
			answers[i] = answer{status: resp.StatusCode, body: body}
			if resp.Close || s.name == "direct" {
				continue // the answer announces the end of the connection, or this is not the tunnel
			}
			// What follows is a request like any other, not bytes for the origin.
			c.write(t, requestHead(t, s, "GET", "/version"))
			next := c.response(t, "GET")
			if next.StatusCode != http.StatusOK {
				t.Errorf("after a %d: the next request got %s", status, next.Status)
			}
			next.Body.Close()
		}
		if answers[0].status < 300 || answers[0].status == http.StatusSwitchingProtocols {
			t.Errorf("status %d: the API server turned it into %d: the test proves nothing", status, answers[0].status)
		}
		compareAnswers(t, answers[0], answers[1])
	}

	c := sp.dialRaw(sp.tunnel, 30*time.Second)
	c.write(t, requestHead(t, sp.tunnel, "GET", o.path+"/upgrade/101", upgrade...))
	if resp := c.response(t, "GET"); resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "echo" {
		t.Fatalf("got %s, %v, want 101 and the origin's protocol", resp.Status, resp.Header)
	}
	sent := pseudoRandom(4, 1<<20)
	failed := make(chan error, 1)
	go func() { // ends with the connection
		_, err := c.Write(sent)
		failed <- err
	}()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c.r, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("the echo differs: %v", err)
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
	// Not earlier, since an API server ends both directions with the first.
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
	if n, err := io.Copy(io.Discard, c.r); n != 0 {
		t.Errorf("%d bytes more than were sent (%v)", n, err)
	}
}

// TestOddAnswers checks that unusual answers pass through the tunnel unchanged.
func TestOddAnswers(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	o := sp.newOrigin()
	sp.overVersions(func(t *testing.T, s side) {
		// An answer that breaks off must not look whole.
		resp, err := s.client.Get(s.server + o.path + "/cut/100000")
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if err == nil {
			t.Error("a response that was cut off looked whole")
		}

		// An early answer to an upload arrives while the body is being sent.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		body, feed := io.Pipe()
		defer feed.Close()
		go func() { _, _ = io.Copy(feed, source(1, 1<<30)) }() // ends when the pipe is closed
		defer body.Close()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server+o.path+"/early", body)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := s.client.Do(req); err != nil {
			t.Errorf("early answer: %v", err)
		} else {
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(text), "said early") {
				t.Errorf("early answer: %s %q", resp.Status, text)
			}
		}

		for _, status := range []int{204, 304, 418, 599} {
			resp, err := s.client.Get(fmt.Sprintf("%s%s/status/%d", s.server, o.path, status))
			if err != nil {
				t.Errorf("status %d: %v", status, err)
				continue
			}
			resp.Body.Close()
			if resp.StatusCode != status {
				t.Errorf("got %s, want %d", resp.Status, status)
			}
		}
	})
}

// TestUploadThatBreaksOff: the API server sees an upload's end as broken when
// the caller goes away in the middle.
func TestUploadThatBreaksOff(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	o := sp.newOrigin()
	sp.overVersions(func(t *testing.T, s side) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		body, feed := io.Pipe()
		defer body.Close()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server+o.path+"/digest", body)
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			resp, err := s.client.Do(req)
			if err == nil {
				err = fmt.Errorf("answered %s", resp.Status)
				resp.Body.Close()
			}
			answered <- err
		}()
		before := o.received.Load()
		if _, err := io.Copy(feed, source(5, 1<<20)); err != nil {
			t.Fatal(err)
		}
		sp.until("some of the upload to arrive", func(context.Context) error {
			if got := o.received.Load() - before; got == 0 {
				return errors.New("nothing yet")
			}
			return nil
		})
		cancel()
		feed.CloseWithError(context.Canceled) // net/http waits for a read that has begun
		if err := <-answered; !errors.Is(err, context.Canceled) {
			t.Errorf("upload: %v, want it to be cancelled", err)
		}
		sp.until("the origin to see the end", func(context.Context) error {
			if n := o.open.Load(); n > 0 {
				return fmt.Errorf("%d requests are open", n)
			}
			return nil
		})
	})
}

// overVersions runs a test through the tunnel over HTTP/1.1 and HTTP/2.
func (sp *space) overVersions(f func(t *testing.T, s side)) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
		sp.t.Run(strings.ReplaceAll(version, "/", ""), func(t *testing.T) {
			s := sp.tunnel
			s.name = version
			s.client = (&space{suite: sp.suite, t: t}).tunnelClient(version)
			f(t, s)
		})
	}
}

// TestBadClusterNames: malformed cluster names are refused.
func TestBadClusterNames(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	for _, name := range []string{"Prod", "a_b", "-a", "a-", strings.Repeat("a", 64), "a.b.c", "*", ">", "a.*", "_", "%2e%2e", "a%20b", "a%00", "prod.acme.", ".acme", "ä"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, sp.system.URL("/k8s/clusters/x/version"), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = "//" + req.URL.Host + "/k8s/clusters/" + name + "/version" // not escaped again
		a := ask(t, sp.tunnel, req)
		var status metav1.Status
		if err := json.Unmarshal(a.body, &status); err != nil || a.status != http.StatusBadRequest || status.Kind != "Status" || !strings.Contains(status.Message, "DNS label") {
			t.Errorf("cluster %q: %d %s, want 400 and a Status about DNS labels", name, a.status, a.body)
		}
	}
}

// TestOversize: a request head over the limit is refused, and other requests on
// the connection continue.
func TestOversize(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	sp.overVersions(func(t *testing.T, s side) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server+"/version", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1100 {
			req.Header.Set(fmt.Sprintf("X-Many-%d", i), "x")
		}
		if a := ask(t, s, req); a.status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("1,100 header lines: %d %s, want 431", a.status, clip(string(a.body)))
		}
		// A body that is too large for the API server is refused by the API server,
		// in its own words.
		big := strings.NewReader(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"big"},"data":{"a":"` + strings.Repeat("x", 4<<20) + `"}}`)
		req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, s.server+sp.path("/configmaps"), big)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if a := ask(t, s, req); a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("an object of 4 MiB: %d %s, want the API server's 413", a.status, clip(string(a.body)))
		}
		req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, s.server+"/version", nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := ask(t, s, req); a.status != http.StatusOK {
			t.Errorf("afterwards: %d %s", a.status, clip(string(a.body)))
		}
	})
}
