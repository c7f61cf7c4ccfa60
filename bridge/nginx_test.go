package bridge

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/nginxtest"
)

// underNginx is a bridge whose agent tells the target that it got, behind an nginx with
// one location.
type underNginx struct {
	*rig
	url string // of nginx
}

// behindNginx starts both. In the location, BRIDGE stands for the bridge's URL.
func behindNginx(t *testing.T, publicURL, location string) *underNginx {
	t.Helper()
	r := newRig(t, rigOptions{plain: true, publicURL: publicURL})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if strings.Contains(head.Target, "watch=true") {
			_, _ = s.Write(encodeHead(200, -1))
			_ = s.Flush()
			<-s.Context().Done()
			return
		}
		if u := head.Header.Get("Upgrade"); u != "" {
			_, _ = s.Write(append(switchTo(u), "switched"...))
			_, _ = io.Copy(io.Discard, s)
			_ = s.CloseWrite()
			return
		}
		if strings.Contains(head.Target, "/exec") { // as an API server answers
			_ = s.WriteFinal(append(encodeHead(400, -1, "Content-Type", "application/json"), `{"message":"Upgrade request required"}`...))
			return
		}
		_, _ = io.Copy(io.Discard, s)
		_ = s.WriteFinal(append(encodeHead(200, int64(len(head.Target))), head.Target...))
	})
	n := nginxtest.Start(t, nginxtest.Options{HTTP: "include fairlead/upgrade-map.conf; server { listen {address};\n" +
		strings.ReplaceAll(location, "BRIDGE", r.url) + "\n}"})
	return &underNginx{r, "http://" + n.Address}
}

// ask sends a request to nginx. An upgrade is read as far as it was promised.
func (u *underNginx) ask(method, path string, body io.Reader, header ...string) (*http.Response, string) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	u.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, u.url+path, body)
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+u.token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := u.h1.Do(req)
	if err != nil {
		u.t.Fatalf("%s %s: %v", method, path, err)
	}
	u.t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode == http.StatusSwitchingProtocols {
		b := make([]byte, len("switched"))
		_, _ = io.ReadFull(res.Body, b)
		return res, string(b)
	}
	b, _ := io.ReadAll(res.Body) // a quiet watch that is cut breaks
	return res, string(b)
}

const (
	podExec = "/k8s/clusters/prod/api/v1/namespaces/shop/pods/web/exec?command=sh"
	goodway = "location / { include fairlead/bridge.conf; proxy_pass BRIDGE; }"
	// overHTTP10 is what the log says of the default of nginx.
	overHTTP10 = `level=WARN msg="requests come over HTTP/1.0, in which exec, attach and port-forward cannot work"`
	lines      = "proxy_http_version 1.1, proxy_set_header Upgrade and proxy_set_header Connection"
)

// TestNginxThatPeopleWriteFirst: what callers are told, by setups of nginx that lack
// something.
func TestNginxThatPeopleWriteFirst(t *testing.T) {
	t.Parallel()
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "SPDY/3.1"}
	for name, c := range map[string]struct {
		public, location string
		method, path     string
		header           []string
		status           int
		code             string   // of the bridge; "" for an answer of the cluster or of nginx
		want             []string // in the body
		log              string   // in the bridge's log
	}{
		"as shipped": {"", goodway, "POST", podExec, upgrade, 101, "", []string{"switched"}, ""},
		"no lines at all": {"", "location / { proxy_pass BRIDGE; }", "POST", podExec, upgrade, 400, "upgrade-missing",
			[]string{"pods/exec needs a connection that is upgraded", "it came over HTTP/1.0", lines}, overHTTP10},
		"no upgrade headers": {"", "location / { proxy_http_version 1.1; proxy_pass BRIDGE; }", "POST", podExec, upgrade, 400, "upgrade-missing",
			[]string{"does not pass on the header Upgrade", lines}, ""},
		"Upgrade without Connection": {"", "location / { proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_pass BRIDGE; }",
			"POST", podExec, upgrade, 400, "upgrade-missing", []string{`passes on Upgrade without \"Connection: upgrade\"`, lines}, ""},
		"upgrade over HTTP/1.0": {"", "location / { proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_pass BRIDGE; }",
			"POST", podExec, upgrade, 400, "upgrade-missing", []string{"it came over HTTP/1.0", lines}, overHTTP10},
		"HTTP/1.0 for the rest": {"", "location / { proxy_pass BRIDGE; }", "GET", "/k8s/clusters/prod/version", nil, 200, "",
			[]string{"/version"}, overHTTP10},
		"a prefix that the bridge does not know": {"", "location /fairlead/ { include fairlead/bridge.conf; proxy_pass BRIDGE; }",
			"GET", "/fairlead/k8s/clusters/prod/version", nil, 404, "not-found", []string{"the path begins with /fairlead: ", "set --public-url to the URL with that path"}, ""},
		"another prefix than the bridge's": {"https://x.test/fairlead", "location /fl/ { include fairlead/bridge.conf; proxy_pass BRIDGE; }",
			"GET", "/fl/v1/clusters", nil, 404, "not-found", []string{"the path begins with /fl, and --public-url has the path /fairlead: make the two the same"}, ""},
		"a slash too many": {"", "location /fairlead { include fairlead/bridge.conf; proxy_pass BRIDGE/; }",
			"GET", "/fairlead/k8s/clusters/prod/version", nil, 404, "not-found", []string{"begins with more than one slash", "leave it out in proxy_pass"}, ""},
		"a path in proxy_pass": {"https://x.test/fairlead", "location /fairlead/ { include fairlead/bridge.conf; proxy_pass BRIDGE/; }",
			"GET", "/fairlead/k8s/clusters/prod/x/a%2Fb", nil, 200, "", []string{"/x/a/b"}, "it changes encoded paths as well: leave the path out of proxy_pass"},
		"the same as shipped": {"https://x.test/fairlead", "location /fairlead/ { include fairlead/bridge.conf; proxy_pass BRIDGE; }",
			"GET", "/fairlead/k8s/clusters/prod/x/a%2Fb", nil, 200, "", []string{"/x/a%2Fb"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := behindNginx(t, c.public, c.location)
			res, body := u.ask(c.method, c.path, nil, c.header...)
			if res.StatusCode != c.status || res.Header.Get("Fairlead-Error") != c.code {
				t.Errorf("%s %q: %s", res.Status, res.Header.Get("Fairlead-Error"), body)
			}
			for _, want := range c.want {
				if !strings.Contains(body, want) {
					t.Errorf("the answer lacks %q: %s", want, body)
				}
			}
			if !strings.Contains(u.log.String(), c.log) {
				t.Errorf("the log lacks %q: %s", c.log, u.log)
			}
			if c.log == "" && (strings.Contains(u.log.String(), "level=WARN") || strings.Contains(u.log.String(), "hint=")) {
				t.Errorf("the log has a hint: %s", u.log)
			}
		})
	}
}

// TestNginxThatCutsQuietStreams: after three watches that were cut after the same
// silence, the log says what cuts them.
func TestNginxThatCutsQuietStreams(t *testing.T) {
	t.Parallel()
	u := behindNginx(t, "", "location / { include fairlead/bridge.conf; proxy_pass BRIDGE; } location /k8s/ { proxy_http_version 1.1; proxy_read_timeout 3s; proxy_pass BRIDGE; }")
	const said = `msg="quiet streams are closed from the callers' side after the same time again and again" silence=3s`
	for range 3 {
		if strings.Contains(u.log.String(), said) {
			t.Fatal("it was said too early")
		}
		began := time.Now()
		res, _ := u.ask("GET", "/k8s/clusters/prod/api/v1/pods?watch=true", nil)
		if took := time.Since(began); res.StatusCode != 200 || took < 2*time.Second {
			t.Fatalf("%s after %s", res.Status, took)
		}
	}
	u.eventually("the log says so", func() bool {
		return strings.Contains(u.log.String(), said) && strings.Contains(u.log.String(), "nginx needs proxy_read_timeout 1d")
	})
}

// TestNginxLimitsBodies: nginx itself refuses a body over its limit, and not with the
// shipped lines.
func TestNginxLimitsBodies(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]int{"location / { proxy_http_version 1.1; proxy_pass BRIDGE; }": 413, goodway: 200} {
		u := behindNginx(t, "", location)
		res, body := u.ask("POST", "/k8s/clusters/prod/api/v1/namespaces/shop/configmaps", strings.NewReader(strings.Repeat("x", 2<<20)))
		if res.StatusCode != want || want == 413 && !strings.Contains(body, "nginx") {
			t.Errorf("%s: %s %s, want %d", location, res.Status, body, want)
		}
	}
}

// TestNginxDoesNotBuffer: even with nginx's own defaults, what a stream brings is
// passed on at once, since the bridge asks for that. With proxy_ignore_headers it is
// not.
func TestNginxDoesNotBuffer(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]bool{
		goodway:                             true,
		"location / { proxy_pass BRIDGE; }": true,
		"location / { proxy_ignore_headers X-Accel-Buffering; proxy_pass BRIDGE; }": false,
	} {
		u := behindNginx(t, "", location)
		next := make(chan struct{})
		u.agent("default", "lines", func(_ *subjects.RequestHead, s *stream.Stream) {
			_, _ = s.Write(append(encodeHead(200, -1), "line 1\n"...))
			_ = s.Flush()
			select {
			case <-next:
			case <-s.Context().Done():
			}
			_ = s.WriteFinal([]byte("line 2\n"))
		})
		arrived := make(chan string, 2)
		go func() {
			defer close(arrived)
			req, err := http.NewRequest("GET", u.url+"/k8s/clusters/lines/log", nil)
			if err != nil {
				return
			}
			req.Header.Set("Authorization", "Bearer "+u.token)
			res, err := u.h1.Do(req)
			if err != nil {
				return
			}
			defer res.Body.Close()
			for lines := bufio.NewScanner(res.Body); lines.Scan(); {
				arrived <- lines.Text()
			}
		}()
		got := ""
		select {
		case got = <-arrived:
		case <-time.After(map[bool]time.Duration{true: 10 * time.Second, false: time.Second}[want]):
		}
		if (got == "line 1") != want {
			t.Errorf("%s: before the second line was written, %q had arrived", location, got)
		}
		close(next)
		for range arrived {
		}
	}
}

// TestNginxWithTheWrongScheme: http:// to a bridge with TLS is told by the bridge, and
// https:// to one without by nginx alone.
func TestNginxWithTheWrongScheme(t *testing.T) {
	t.Parallel()
	for plain, want := range map[bool]string{true: "502 Bad Gateway", false: "Client sent an HTTP request to an HTTPS server"} {
		r := newRig(t, rigOptions{plain: plain})
		scheme := map[bool]string{true: "https://", false: "http://"}[plain]
		n := nginxtest.Start(t, nginxtest.Options{HTTP: "server { listen {address}; location / { proxy_pass " + scheme + r.addr + "; } }"})
		u := &underNginx{r, "http://" + n.Address}
		if res, body := u.ask("GET", "/k8s/clusters/prod/version", nil); !strings.Contains(body, want) {
			t.Errorf("%s to the bridge: %s %s", scheme, res.Status, body)
		}
	}
}
