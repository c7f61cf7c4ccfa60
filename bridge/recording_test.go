package bridge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/remotecommand"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/bridge/record/cast"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// sizes is a terminal that changes its size.
type sizes chan remotecommand.TerminalSize

func (s sizes) Next() *remotecommand.TerminalSize {
	size, ok := <-s
	if !ok {
		return nil
	}
	return &size
}

const shell = "/api/v1/namespaces/shop/pods/web/exec?command=sh&command=-c&command=echo+%22a+b%22&container=app&stdin=true&stdout=true&stderr=true"

// echo answers what it reads, after bytes that are hard to record.
func echo(p pod) {
	_, _ = io.WriteString(p.stdout, "\x1b[1mh\u00e9llo \xff\u2028\U0010ff80\x1b[0m\r\n")
	if p.stderr != nil {
		_, _ = io.WriteString(p.stderr, "warning ")
	}
	for b := make([]byte, 1<<10); ; {
		n, err := p.stdin.Read(b)
		_, _ = p.stdout.Write(b[:n])
		if err != nil || n > 0 && b[n-1] == endOfTransmission {
			return
		}
	}
}

// endOfTransmission is Ctrl-D: the input of v4.channel.k8s.io has no end.
const endOfTransmission = 4

// TestSessionsAreRecorded: client-go and the servers of Kubernetes, in each protocol.
func TestSessionsAreRecorded(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"spdy", "v4.channel.k8s.io", "v5.channel.k8s.io"} {
		for _, input := range []bool{false, true} {
			t.Run(protocol, func(t *testing.T) {
				r := newRecorded(t, record.Config{Input: input}, echo)
				var stdout, stderr bytes.Buffer
				typed := strings.Repeat("ünïcode\n", 1000) + "\x04"
				if err := r.executor(t, protocol, shell).StreamWithContext(t.Context(), remotecommand.StreamOptions{
					Stdin: strings.NewReader(typed), Stdout: &stdout, Stderr: &stderr,
				}); err != nil {
					t.Fatal(err)
				}
				e, events := r.only(t)
				if got := strings.Count(events[cast.Output], "warning "); got != 1 {
					t.Errorf("the recording has %d times what was on stderr", got)
				}
				if got := strings.Replace(events[cast.Output], "warning ", "", 1); got != stdout.String() || !strings.Contains(got, typed) {
					t.Errorf("recorded %d bytes of output, the client got %d", len(got), stdout.Len())
				}
				want := ""
				if input {
					want = typed
				}
				if got := events[cast.Input]; got != want {
					t.Errorf("recorded %d bytes of input, want %d", len(got), len(want))
				}
				r.checkEntry(t, &e)
			})
		}
	}
}

// checkEntry compares a line of the index with its file, and looks for secrets.
func (r *recorded) checkEntry(t *testing.T, e *record.Entry) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, e.File))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	if e.SHA256 != hex.EncodeToString(sum[:]) || e.Bytes != int64(len(b)) {
		t.Errorf("the index has %d bytes and sum %s, which are not the file's", e.Bytes, e.SHA256)
	}
	if e.Caller != "admin" || e.As != "jane" || e.Grant != "shells" || e.Cluster != "prod" || e.Namespace != "shop" || e.Pod != "web" ||
		e.Container != "app" || e.Kind != "exec" || strings.Join(e.Command, "|") != `sh|-c|echo "a b"` || e.End.Before(e.Start) || e.Reason != "" {
		t.Errorf("index line %+v", e)
	}
	if info, err := os.Stat(filepath.Join(r.dir, e.File)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
	index, err := os.ReadFile(filepath.Join(r.dir, "index.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(b), string(index)} {
		if strings.Contains(text, r.token) || strings.Contains(text, base64URL(r.token)) || strings.Contains(text, "Bearer") {
			t.Error("a recording or the index has the caller's token")
		}
	}
}

// TestRecordedTerminal: the sizes of a terminal are events.
func TestRecordedTerminal(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"spdy", "v5.channel.k8s.io"} {
		t.Run(protocol, func(t *testing.T) {
			r := newRecorded(t, record.Config{}, func(p pod) {
				d := json.NewDecoder(p.resize)
				for range 2 {
					var size remotecommand.TerminalSize
					if err := d.Decode(&size); err != nil {
						t.Errorf("resize: %v", err)
					}
				}
				_, _ = io.WriteString(p.stdout, "$ ")
			})
			queue := make(sizes, 2)
			queue <- remotecommand.TerminalSize{Width: 120, Height: 40}
			queue <- remotecommand.TerminalSize{Width: 90, Height: 30}
			close(queue)
			target := strings.Replace(shell, "stderr=true", "tty=true", 1)
			hold, typing := io.Pipe()
			defer typing.Close()
			var stdout bytes.Buffer
			if err := r.executor(t, protocol, target).StreamWithContext(t.Context(), remotecommand.StreamOptions{
				Stdin: hold, Stdout: &stdout, Tty: true, TerminalSizeQueue: queue,
			}); err != nil {
				t.Fatal(err)
			}
			_, events := r.only(t)
			if events[cast.Resize] != "120x4090x30" || events[cast.Output] != "$ " || stdout.String() != "$ " {
				t.Errorf("recorded %q, the client got %q", events, stdout.String())
			}
		})
	}
}

// TestRecordingFails: no byte passes that is not recorded, and the client reads why.
func TestRecordingFails(t *testing.T) {
	t.Parallel()
	flood := func(p pod) {
		line := bytes.Repeat([]byte("0123456789abcde\n"), 1<<10)
		for range 1 << 10 {
			if _, err := p.stdout.Write(line); err != nil {
				return
			}
		}
	}
	for _, protocol := range []string{"spdy", "v5.channel.k8s.io"} {
		t.Run(protocol, func(t *testing.T) {
			r := newRecorded(t, record.Config{MaxSession: 2 << 20}, flood)
			var stdout bytes.Buffer
			err := r.executor(t, protocol, strings.Replace(shell, "&stdin=true", "", 1)).StreamWithContext(t.Context(), remotecommand.StreamOptions{
				Stdout: &stdout, Stderr: io.Discard,
			})
			if err == nil || !strings.Contains(err.Error(), "the size of the largest recording") {
				t.Errorf("the client got %v, want the reason", err)
			}
			e, events := r.only(t)
			if !strings.Contains(e.Reason, "the size of the largest recording, 2MiB") {
				t.Errorf("reason %q", e.Reason)
			}
			if events[cast.Output] != stdout.String() {
				t.Errorf("the client got %d bytes, of which %d are recorded", stdout.Len(), len(events[cast.Output]))
			}
		})
	}
}

// TestRecordingRefused: what cannot be recorded does not reach the cluster.
func TestRecordingRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		target string
		lost   bool // the directory
		want   *answer.Kind
	}{
		"directory gone": {"/api/v1/namespaces/shop/pods/web/exec", true, answer.RecordingUnavailable},
		"port-forward":   {"/api/v1/namespaces/shop/pods/web/portforward", false, answer.Forbidden},
		"proxy":          {"/api/v1/namespaces/shop/services/web/proxy/", false, answer.Forbidden},
		"kubelet":        {"/api/v1/nodes/n/proxy/exec/shop/web/app", false, answer.Forbidden},
		"ambiguous path": {"/api/v1/namespaces/shop/pods/web%2fexec", false, answer.Forbidden},
		"console":        {"/apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachineinstances/vm/console", false, answer.Forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorded(t, record.Config{}, func(pod) { t.Error("it reached the cluster") })
			if tt.lost {
				if err := os.RemoveAll(r.dir); err != nil {
					t.Fatal(err)
				}
			}
			req := r.request("GET", "/k8s/clusters/prod"+tt.target, nil)
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", "websocket")
			res, body := r.do(r.h1, req)
			if res.StatusCode != tt.want.Status || res.Header.Get(answer.Header) != tt.want.Code || strings.Contains(body, r.dir) ||
				!strings.Contains(body, "nothing was executed") {
				t.Errorf("got %d %s, want %s", res.StatusCode, body, tt.want.Code)
			}
		})
	}
	r := newRig(t, rigOptions{config: func(c *Config) { c.Authorizer = demanding{} }})
	req := r.request("GET", "/k8s/clusters/prod/api/v1/namespaces/shop/pods/web/exec", nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "SPDY/3.1")
	if res, body := r.do(r.h1, req); res.Header.Get(answer.Header) != "recording-unavailable" || !strings.Contains(body, "not configured to record") {
		t.Errorf("without a recorder: %d %s", res.StatusCode, body)
	}
}

// TestNoSessionLeavesNoRecording: an exec that the API server refuses.
func TestNoSessionLeavesNoRecording(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := &recorded{dir: dir}
	r.rig = newRig(t, rigOptions{config: func(cfg *Config) {
		cfg.Authorizer, cfg.Recorder = demanding{}, record.New(nil, cfg.Logger).With(record.Config{Directory: dir})
	}})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) { reply(s, http.StatusForbidden, "{}") })
	req := r.request("GET", "/k8s/clusters/prod"+shell, nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	if res, _ := r.do(r.h1, req); res.StatusCode != http.StatusForbidden {
		t.Fatalf("got %d", res.StatusCode)
	}
	r.eventually("the file is removed", func() bool {
		files, err := os.ReadDir(dir)
		return err == nil && len(files) == 0
	})
}

// TestHangUpBeforeSwitch: a caller that hangs up before the 101 has had its command
// executed, and does not get rid of the recording.
func TestHangUpBeforeSwitch(t *testing.T) {
	t.Parallel()
	r := newRecorded(t, record.Config{}, nil)
	executed := make(chan struct{})
	r.agent("default", "lab", func(_ *subjects.RequestHead, s *stream.Stream) {
		close(executed)
		<-s.Context().Done()
	})
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	req := r.request("GET", "/k8s/clusters/lab"+shell, nil).WithContext(ctx)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if res, err := r.h1.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-executed
	hangUp()
	<-ended
	e, _ := r.only(t)
	if e.Reason != "outcome unknown: client-gone: the caller went away" || e.SHA256 == "" || strings.Join(e.Command, "|") != `sh|-c|echo "a b"` {
		t.Errorf("index line %+v", e)
	}
}

// TestOutcomeOfNoSwitch: a recording stays unless it is certain that nothing was executed.
func TestOutcomeOfNoSwitch(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer func(*stream.Stream)
		reason string // "": nothing is left
	}{
		"refused by the API server": {func(s *stream.Stream) { reply(s, http.StatusForbidden, "{}") }, ""},
		"not executed":              {func(s *stream.Stream) { s.Reset(subjects.CodeRefused, "no exec here") }, ""},
		"agent's outcome unknown":   {func(s *stream.Stream) { s.Reset(subjects.CodeUnknownOutcome, "connection lost") }, "connection lost"},
		"no answer":                 {func(s *stream.Stream) { _ = s.CloseWrite() }, "the response ended before its head did"},
		"another protocol":          {func(s *stream.Stream) { _, _ = s.Write(switchTo("h2c")) }, `the API server switched to`},
		"unreadable session": {func(s *stream.Stream) {
			_, _ = s.Write(switchTo("websocket", "Sec-Websocket-Protocol", "v9.channel.k8s.io"))
		}, "cannot be recorded"},
		"half an answer": {func(s *stream.Stream) {
			b, _ := subjects.AppendResponseHead(nil, &subjects.ResponseHead{Status: http.StatusForbidden, ContentLength: 100})
			_, _ = s.Write(b)
			s.Reset(subjects.CodeUnknownOutcome, "torn")
		}, "torn"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorded(t, record.Config{}, nil)
			r.agent("default", "lab", func(_ *subjects.RequestHead, s *stream.Stream) {
				tt.answer(s)
				<-s.Context().Done()
			})
			req := r.request("GET", "/k8s/clusters/lab"+shell, nil)
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", "websocket")
			if res, err := r.h1.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
			if tt.reason == "" {
				r.eventually("the file is removed", func() bool {
					files, err := os.ReadDir(r.dir)
					return err == nil && len(files) == 0
				})
				return
			}
			if e, _ := r.only(t); !strings.Contains(e.Reason, tt.reason) {
				t.Errorf("reason %q", e.Reason)
			}
		})
	}
}

// TestUnreadableSessionEnds: a subprotocol and bytes that cannot be read.
func TestUnreadableSessionEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ head, first []byte }{
		"subprotocol": {switchTo("websocket", "Sec-Websocket-Protocol", "v9.channel.k8s.io"), nil},
		"extension":   {switchTo("websocket", "Sec-Websocket-Extensions", "permessage-deflate"), nil},
		"first bytes": {switchTo("websocket"), []byte{0xc2, 0x01, 0x01}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorded(t, record.Config{}, nil)
			r.agent("default", "lab", func(_ *subjects.RequestHead, s *stream.Stream) {
				_, _ = s.Write(append(tt.head, tt.first...))
				<-s.Context().Done()
			})
			req := r.request("GET", "/k8s/clusters/lab"+shell, nil)
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", "websocket")
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			res, body := r.do(r.h1, req.WithContext(ctx))
			if res.StatusCode != 503 || !strings.Contains(body, "cannot be recorded") {
				t.Errorf("got %d %s", res.StatusCode, body)
			}
		})
	}
}
