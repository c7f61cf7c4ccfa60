package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestInterrupt presses Ctrl-C during requests that would go on. The API
// server's side of them ends within a second.
func TestInterrupt(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	const within = time.Second
	sp.pod("box", `i=0; while true; do echo "line $i"; i=$((i+1)); sleep 0.1; done`, "")
	sp.configMap("one", nil)

	for _, tt := range []struct {
		name    string
		args    []string
		shows   string // printed once the request is under way
		request string // part of the request's URI
	}{
		{"logs", []string{"logs", "-f", "box"}, "line", "/pods/box/log?"},
		{"watch", []string{"get", "configmaps", "-w"}, "one", "watch=true"},
		{"exec", []string{"exec", "-i", "box", "--", "sh", "-c", "echo started; exec cat"}, "started", "/pods/box/exec?"},
		{"attach", []string{"attach", "box"}, "line", "/pods/box/attach?"},
	} {
		sp.overEach(func(sp *space, p protocol) {
			if tt.name == "logs" || tt.name == "watch" {
				if p.name == "SPDY" {
					return // plain HTTP: the protocols do not differ
				}
			}
			from := sp.auditNow()
			r := sp.start(sp.on(sp.tunnel, tt.args...).with(p.env...))
			r.expect(tt.shows)
			mine := func(stage string) func(auditEvent) bool {
				return func(e auditEvent) bool {
					return e.Stage == stage && strings.Contains(e.RequestURI, tt.request)
				}
			}
			// kubectl shows the objects of a watch before it watches.
			sp.awaitAudit(tt.name+" to have started", from, sp.path("/"), mine(responseStarted))
			at := r.interrupt()
			r.wait(10 * time.Second)
			end := sp.awaitAudit(tt.name+" to have ended", from, sp.path("/"), mine(responseComplete))
			if took := end.StageTimestamp.Sub(at); took > within || took < 0 {
				sp.t.Errorf("%s: the API server's side ended %s after Ctrl-C, want at most %s", tt.name, took, within)
			} else {
				sp.t.Logf("%s: the API server's side ended %s after Ctrl-C", tt.name, took.Round(time.Millisecond))
			}
		})
	}
}

// TestInterruptEndsTheCommand: the process in the container reads the end of
// its stdin when kubectl is gone.
func TestInterruptEndsTheCommand(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	sp.pod("box", idle, "")
	sp.overEach(func(sp *space, p protocol) {
		r := sp.start(sp.on(sp.tunnel, "exec", "-i", "box", "--", "sh", "-c", "echo started; cat >/dev/null; touch /tmp/"+p.name).with(p.env...))
		r.expect("started")
		at := r.interrupt()
		sp.until("the command to end", func(context.Context) error {
			if r := sp.do(sp.on(sp.direct, "exec", "box", "--", "test", "-e", "/tmp/"+p.name)); r.code != 0 {
				return errors.New("still there")
			}
			return nil
		})
		sp.t.Logf("the command had ended %s after Ctrl-C", time.Since(at).Round(time.Millisecond))
	})
}

// TestConnectionDropEndsTheRequest closes the caller's connection rather than
// a request on it.
func TestConnectionDropEndsTheRequest(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
		client := sp.tunnelClient(version)
		from, path := sp.auditNow(), sp.path("/configmaps?watch=true&labelSelector=drop")
		s := sp.tunnel
		s.client = client
		watch := openWatch(t, s, path)
		if watch.Proto != version && watch.Proto != version+".0" {
			t.Errorf("got %s, want %s", watch.Proto, version)
		}
		at := time.Now()
		watch.Body.Close()
		client.CloseIdleConnections()
		// The log's JSON escapes "&", so the text is only the path without its query.
		end := sp.awaitAudit("the watch to have ended", from, sp.path("/configmaps"), func(e auditEvent) bool {
			return e.Stage == responseComplete && strings.HasSuffix(e.RequestURI, path)
		})
		if took := end.StageTimestamp.Sub(at); took > time.Second {
			t.Errorf("%s: the API server's side ended %s after the close, want at most 1 s", version, took)
		}
	}
}
