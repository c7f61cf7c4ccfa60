package bridge

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

const upgradeHead = "GET /k8s/clusters/prod/exec?command=sh HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n" +

	"Connection: keep-alive, Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n"

func switchTo(protocol string, header ...string) []byte {
	return encodeHead(101, -1, append([]string{"Connection", "Upgrade", "Upgrade", protocol}, header...)...)
}

func TestUpgradeCarriesBytesBothWaysWithHalfClose(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	heads := make(chan *subjects.RequestHead, 1)
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		heads <- head
		_, _ = s.Write(append(switchTo("SPDY/3.1", "X-Stream-Protocol-Version", "v4.channel.k8s.io", "Set-Cookie", "a=b"), "banner "...))
		b, err := io.ReadAll(s) // until the client half-closes
		if err != nil {
			return
		}
		_ = s.WriteFinal([]byte(strings.ToUpper(string(b))))
	})
	// The first bytes come with the request, before any answer.
	c, br := r.raw(upgradeHead + "early ")
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v, want a 101", res, err)
	}
	for k, want := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io", "Set-Cookie": "", "Content-Length": "",
	} {
		if got := res.Header.Get(k); got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
	if len(res.Header.Get("X-Request-Id")) != 32 {
		t.Error("no request id in the 101")
	}
	head := <-heads
	if head.Header.Get("Upgrade") != "SPDY/3.1" || head.Header.Get("Connection") != "Upgrade" || head.ContentLength != 0 {
		t.Errorf("the agent got %+v", head)
	}
	if _, err := io.WriteString(c, "late"); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(br); err != nil || string(b) != "banner EARLY LATE" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestUpgradeOnPlainHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{plain: true})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(switchTo("websocket"))
		_, _ = s.ReadFrom(s)
		_ = s.CloseWrite()
	})
	req := r.request("GET", "/k8s/clusters/prod/attach", nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	res, err := r.h1.Do(req)
	if err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v, want a 101", res, err)
	}
	rw := res.Body.(io.ReadWriteCloser)
	defer rw.Close()
	for range 3 {
		if _, err := io.WriteString(rw, "ping\n"); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 5)
		if _, err := io.ReadFull(rw, b); err != nil || string(b) != "ping\n" {
			t.Fatalf("got %q, %v", b, err)
		}
	}
}

// Any answer but a 101 is an ordinary response (CVE-2018-1002105), and the connection
// stays an HTTP connection.
func TestUpgradeAnsweredOtherwise(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	ends := make(chan outcome, 1)
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if head.Target == "/next" {
			reply(s, 200, "next")
			return
		}
		reply(s, 403, `{"kind":"Status"}`, "Content-Type", "application/json")
		ends <- drainBody(s)
	})
	_, br := r.raw(upgradeHead + "GET /k8s/clusters/prod/next HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n\r\n")
	for _, want := range []struct {
		status int
		body   string
	}{{403, `{"kind":"Status"}`}, {200, "next"}} {
		res, err := http.ReadResponse(br, nil)
		if err != nil || res.StatusCode != want.status || res.Header.Get("Upgrade") != "" {
			t.Fatalf("got %v, %v, want a plain %d", res, err, want.status)
		}
		if b, _ := io.ReadAll(res.Body); string(b) != want.body {
			t.Errorf("body %q, want %q", b, want.body)
		}
	}
	if o := within(t, "the agent's stream ends", 5*time.Second, ends); o.n != 0 {
		t.Errorf("%d bytes after a refused upgrade reached the agent", o.n)
	}
}

func TestSwitchesThatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(switchTo(strings.TrimPrefix(head.Target, "/")))
		<-s.Context().Done()
	})
	for _, text := range []string{
		"GET /k8s/clusters/prod/websocket HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\n\r\n",
		"GET /k8s/clusters/prod/SPDY HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"GET /k8s/clusters/prod/h2c HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
	} {
		_, br := r.raw(text)
		res, err := http.ReadResponse(br, nil)
		if err != nil || res.StatusCode != 502 || res.Header.Get("Fairlead-Error") != "protocol-error" {
			t.Errorf("got %v, %v, want a 502 protocol-error", res, err)
		}
	}
}

func TestUpgradeEndsWhenEitherSideBreaks(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	ends := make(chan error, 1)
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(append(switchTo("SPDY/3.1"), "x"...))
		if strings.HasPrefix(head.Target, "/exec?command=sh") && head.Header.Get("X-Break") != "" {
			_, _ = s.Next() // until the client says so
			s.Reset(subjects.CodeUpstream, "connection lost")
			return
		}
		_, err := io.Copy(io.Discard, s)
		ends <- err
	})
	// The client's connection breaks.
	c, br := r.raw(upgradeHead)
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	abort(c)
	if err := within(t, "the agent's stream ends", 5*time.Second, ends); subjects.CodeOf(err) != subjects.CodeCanceled {
		t.Errorf("the agent's stream ended with %v, want canceled", err)
	}
	// The API server's connection breaks: no clean end, no HTTP error.
	c, br = r.raw(strings.Replace(upgradeHead, "\r\n\r\n", "\r\nX-Break: 1\r\n\r\n", 1))
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	if b, err := br.ReadByte(); err != nil || b != 'x' {
		t.Fatalf("got %q, %v", b, err)
	}
	if _, err := io.WriteString(c, "break"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(br); err == nil || len(b) > 0 {
		t.Errorf("got %q and a clean end, want a broken connection", b)
	}
}

func TestAPIServerThatStopsReadingIsStillHeard(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	goesOn := make(chan struct{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		s.StopReading()
		_, _ = s.Write(switchTo("SPDY/3.1"))
		<-goesOn
		_ = s.WriteFinal([]byte("exit code 0"))
	})
	c, br := r.raw(upgradeHead)
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		chunk := make([]byte, 1000)
		for n := 0; ; n++ {
			if _, err := c.Write(chunk); err != nil {
				return
			}
			if n == 50 {
				close(goesOn)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	if b, err := io.ReadAll(br); err != nil || string(b) != "exit code 0" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestUpgradedConnectionMayBeIdle(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{change: func(s *http.Server) {
		s.IdleTimeout, s.ReadHeaderTimeout = 2*time.Second, 2*time.Second // the handshake must end within the second
	}})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(switchTo("SPDY/3.1"))
		_, _ = s.ReadFrom(s)
		_ = s.CloseWrite()
	})
	c, br := r.raw(upgradeHead)
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	if err := c.SetReadDeadline(time.Now().Add(4 * time.Second)); err != nil { // twice the time-outs
		t.Fatal(err)
	}
	if _, err := br.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the idle connection brought %v, want nothing", err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "still"); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	if b, err := io.ReadAll(br); err != nil || string(b) != "still" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestWebSocketTokenIsTakenAndTakenOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	heads := make(chan *subjects.RequestHead, 1)
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		heads <- head
		reply(s, 200, "")
	})
	req := r.request("GET", "/k8s/clusters/prod/exec", nil)
	req.Header.Del("Authorization")
	req.Header.Set("Sec-WebSocket-Protocol", subjects.BearerProtocol+base64URL(r.token)+", v5.channel.k8s.io")
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	if res, _ := r.do(r.h1, req); res.StatusCode != 200 {
		t.Fatalf("got %d", res.StatusCode)
	}
	if got := (<-heads).Header["Sec-Websocket-Protocol"]; len(got) != 1 || got[0] != "v5.channel.k8s.io" {
		t.Errorf("the agent got protocols %q", got)
	}
}

func TestUpgradeIsCutWhenDrainingTakesTooLong(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	ends := make(chan error, 1)
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(switchTo("SPDY/3.1"))
		_, err := io.Copy(io.Discard, s)
		ends <- err
	})
	_, br := r.raw(upgradeHead)
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("got %v, %v", res, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.server.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Drain: %v, want that the time was over", err)
	}
	if err := within(t, "the agent's stream ends", 5*time.Second, ends); err == nil {
		t.Error("the agent's stream ended well")
	}
	if b, err := bufio.NewReader(br).ReadByte(); err == nil {
		t.Errorf("got %q after the cut", b)
	}
}

func base64URL(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
