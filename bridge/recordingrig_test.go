package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
	"k8s.io/apimachinery/pkg/util/httpstream/wsstream"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/bridge/record/cast"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// demanding lets everyone do what [access.TokenClusters] lets them, and demands recordings.
type demanding struct{ access.TokenClusters }

func (demanding) Authorize(ctx context.Context, c *access.Caller, req *access.Request) (*access.Decision, error) {
	d, err := access.TokenClusters{}.Authorize(ctx, c, req)
	if err != nil {
		return nil, err
	}
	return &access.Decision{Grant: "shells", As: &subjects.Identity{User: "jane"}, Valid: d.Valid, Record: true}, nil
}

// pod is what a command in a pod has.
type pod struct {
	stdin, resize  io.Reader
	stdout, stderr io.Writer
}

// recorded is a rig that records, whose cluster prod executes a command by the
// implementations of Kubernetes itself.
type recorded struct {
	*rig
	dir string
}

func newRecorded(t testing.TB, c record.Config, command func(pod)) *recorded {
	t.Helper()
	dir := t.TempDir()
	c.Directory = dir
	r := &recorded{dir: dir}
	r.rig = newRig(t, rigOptions{config: func(cfg *Config) {
		cfg.Authorizer = demanding{}
		cfg.Recorder = record.New(nil, cfg.Logger).With(c)
	}})
	server := httptest.NewUnstartedServer(apiServer(t, command))
	server.Listener = lingering{server.Listener}
	server.Start()
	t.Cleanup(server.Close)
	r.agent("default", "prod", dialer(server.Listener.Addr().String()))
	return r
}

// lingering closes connections in order, though a ping of the client may be unread: the
// reset that would follow can take the last bytes of a session with it.
type lingering struct{ net.Listener }

func (l lingering) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return lingeringConn{c.(*net.TCPConn)}, nil
}

type lingeringConn struct{ *net.TCPConn }

func (c lingeringConn) Close() error {
	_ = c.CloseWrite()
	// The other side hangs up once it has all; one that reads slowly must not lose the rest.
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	go func() {
		_, _ = io.Copy(io.Discard, c.TCPConn)
		_ = c.TCPConn.Close()
	}()
	return nil
}

// dialer is an agent that passes upgrades on to a server.
func dialer(addr string) handler {
	return func(head *subjects.RequestHead, s *stream.Stream) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		defer c.Close()
		defer context.AfterFunc(s.Context(), func() { _ = c.Close() })()
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: api\r\n", head.Method, head.Target)
		_ = head.Header.Write(&b)
		_, _ = io.WriteString(c, b.String()+"\r\n")
		br := bufio.NewReader(c)
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			return
		}
		encoded, err := subjects.AppendResponseHead(nil, &subjects.ResponseHead{Status: res.StatusCode, ContentLength: -1, Header: res.Header})
		if err != nil {
			return
		}
		_, _ = s.Write(encoded)
		up := make(chan struct{})
		go func() {
			defer close(up)
			_, _ = s.WriteTo(c)
			_ = c.(*net.TCPConn).CloseWrite()
		}()
		if _, err := s.ReadFrom(br); err != nil {
			return // the stream is reset: what came is not all
		}
		_ = s.CloseWrite()
		<-up
	}
}

// apiServer is an API server that executes a command for every exec.
func apiServer(t testing.TB, command func(pod)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var err error
		if wsstream.IsWebSocketRequest(r) {
			err = serveWebSocket(w, r, command)
		} else {
			err = serveSPDY(w, r, command)
		}
		if err != nil {
			t.Errorf("API server: %v", err)
		}
	}
}

func success() []byte {
	b, _ := json.Marshal(metav1.Status{Status: metav1.StatusSuccess})
	return b
}

func serveWebSocket(w http.ResponseWriter, r *http.Request, command func(pod)) error {
	channels := []wsstream.ChannelType{wsstream.ReadChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.ReadChannel}
	protocols := map[string]wsstream.ChannelProtocolConfig{
		"": {Binary: true, Channels: channels}, "v4.channel.k8s.io": {Binary: true, Channels: channels}, "v5.channel.k8s.io": {Binary: true, Channels: channels},
		"base64.channel.k8s.io": {Channels: channels}, "v4.base64.channel.k8s.io": {Channels: channels},
	}
	conn := wsstream.NewConn(protocols)
	_, streams, err := conn.Open(w, r)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, _ = streams[1].Write(nil)
	command(pod{stdin: streams[0], stdout: streams[1], stderr: streams[2], resize: streams[4]})
	_, _ = streams[3].Write(success())
	return nil
}

func serveSPDY(w http.ResponseWriter, r *http.Request, command func(pod)) error {
	if _, err := httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"}); err != nil {
		return err
	}
	opened := make(chan httpstream.Stream, 8)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, replySent <-chan struct{}) error {
		go func() {
			<-replySent
			opened <- s
		}()
		return nil
	})
	if conn == nil {
		return fmt.Errorf("no upgrade")
	}
	defer conn.Close()
	q := r.URL.Query()
	want := 1
	for _, k := range []string{"stdin", "stdout", "stderr", "tty"} {
		if q.Get(k) == "true" {
			want++
		}
	}
	streams := map[string]httpstream.Stream{}
	for len(streams) < want {
		select {
		case s := <-opened:
			streams[s.Headers().Get("streamType")] = s
		case <-time.After(10 * time.Second):
			return fmt.Errorf("only %d streams of %d", len(streams), want)
		}
	}
	command(pod{stdin: streams["stdin"], stdout: streams["stdout"], stderr: streams["stderr"], resize: streams["resize"]})
	_, _ = streams["error"].Write(success())
	for _, s := range streams {
		_ = s.Close()
	}
	return nil
}

// executor is client-go's, of a protocol.
func (r *recorded) executor(t testing.TB, protocol, target string) remotecommand.Executor {
	t.Helper()
	cfg := &rest.Config{Host: r.url, BearerToken: r.token, TLSClientConfig: rest.TLSClientConfig{CAData: r.ca}}
	u, err := url.Parse(r.url + "/k8s/clusters/prod" + target)
	if err != nil {
		t.Fatal(err)
	}
	var e remotecommand.Executor
	if protocol == "spdy" {
		e, err = remotecommand.NewSPDYExecutor(cfg, "POST", u)
	} else {
		e, err = remotecommand.NewWebSocketExecutorForProtocols(cfg, "GET", u.String(), protocol)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// sessions returns the index.
func (r *recorded) sessions(t testing.TB) []record.Entry {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, "index.jsonl"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var all []record.Entry
	for line := range strings.Lines(string(b)) {
		var e record.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in index line %q", err, line)
		}
		all = append(all, e)
	}
	return all
}

// only waits for the end of the only session, and returns it with its events joined
// by code.
func (r *recorded) only(t testing.TB) (record.Entry, map[cast.Code]string) {
	t.Helper()
	r.eventually("the session is in the index", func() bool { return len(r.sessions(t)) == 1 })
	e := r.sessions(t)[0]
	return e, r.play(t, e.File)
}

func (r *recorded) play(t testing.TB, file string) map[cast.Code]string {
	t.Helper()
	f, err := os.Open(filepath.Join(r.dir, file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	reader, err := cast.NewReader(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	text := map[cast.Code][]byte{}
	for {
		event, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text[event.Code] = append(text[event.Code], event.Data...)
	}
	all := map[cast.Code]string{}
	for c, b := range text {
		all[c] = string(b)
	}
	return all
}
