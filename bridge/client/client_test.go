package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick makes retries short.
var quick = Retry{Wait: time.Millisecond, MaxWait: 2 * time.Second}

func serve(t *testing.T, h http.HandlerFunc, o Options) (*Client, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	if o.Retry == (Retry{}) {
		o.Retry = quick
	}
	c, err := New(srv.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c, srv
}

// problem answers as a bridge does.
func problem(w http.ResponseWriter, status int, code Type) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Fairlead-Error", string(code))
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(api.Problem{Type: "urn:fairlead:error:" + string(code), Code: string(code), Status: status, Detail: "why", RequestID: "r1"})
}

// broken closes the connection without an answer, after it has read the request.
func broken(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

func TestWhatIsSentAgain(t *testing.T) {
	list := func(c *Client) error { _, err := c.Clusters(context.Background(), ClusterFilter{}); return err }
	call := func(method string) func(*Client) error {
		return func(c *Client) error {
			_, err := c.Call(context.Background(), "prod", api.Call{Method: method, Path: "/x"})
			return err
		}
	}
	after := func(status int, code Type) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "0")
			if code == "" {
				w.WriteHeader(status)
				return
			}
			problem(w, status, code)
		}
	}
	with := func(status int, code Type) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { problem(w, status, code) }
	}
	bare := func(status int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(status) }
	}
	for name, tt := range map[string]struct {
		make  func(*Client) error
		first func(http.ResponseWriter)
		again bool
	}{
		"GET, not executed":               {list, after(503, ErrClusterReconnecting), true},
		"GET, limited":                    {list, after(429, ErrRateLimited), true},
		"GET, outcome unknown":            {list, with(504, ErrOutcomeUnknown), true},
		"GET, connection lost":            {list, broken, true},
		"GET, proxy":                      {list, bare(502), true},
		"GET, offline":                    {list, with(503, ErrClusterOffline), false},
		"GET, forbidden":                  {list, with(403, ErrForbidden), false},
		"GET, timed out":                  {list, with(504, ErrTimeout), false},
		"POST, not executed":              {call("POST"), after(503, ErrClusterDraining), true},
		"POST, limited":                   {call("PATCH"), after(429, ErrRateLimited), true},
		"POST, outcome unknown":           {call("POST"), with(504, ErrOutcomeUnknown), false},
		"POST, connection lost":           {call("PATCH"), broken, false},
		"POST, proxy":                     {call("POST"), bare(502), false},
		"POST, proxy asks to wait":        {call("POST"), after(503, ""), false},
		"call of GET, outcome unknown":    {call(""), with(502, ErrAPIServerConnectionLost), true},
		"call of DELETE, connection lost": {call("DELETE"), broken, false},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if n.Add(1) == 1 {
					tt.first(w)
					return
				}
				_, _ = io.WriteString(w, `{"clusters":[],"status":200}`)
			}, Options{})
			err := tt.make(c)
			if again := n.Load() == 2; again != tt.again || (err == nil) != tt.again {
				t.Errorf("sent %d times, %v", n.Load(), err)
			}
		})
	}
}

func TestRetriesAreBounded(t *testing.T) {
	var n atomic.Int32
	wait := atomic.Value{}
	wait.Store("0")
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.Header().Set("Retry-After", wait.Load().(string))
		problem(w, 503, ErrClusterReconnecting)
	}, Options{Retry: Retry{Attempts: 3, Wait: time.Millisecond, MaxWait: time.Second}})
	for _, tt := range []struct {
		after string
		want  int32
	}{{"0", 3}, {"9", 1}, {"-1", 1}, {"tomorrow", 1}} {
		n.Store(0)
		wait.Store(tt.after)
		_, err := c.Cluster(t.Context(), "prod")
		if !errors.Is(err, ErrClusterReconnecting) || n.Load() != tt.want {
			t.Errorf("Retry-After %s: sent %d times, %v", tt.after, n.Load(), err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	n.Store(0)
	wait.Store("1")
	if _, err := c.Cluster(ctx, "prod"); !errors.Is(err, ErrClusterReconnecting) || n.Load() != 1 || ctx.Err() != nil {
		t.Errorf("with a deadline before the end of the pause: sent %d times, %v, %v", n.Load(), err, ctx.Err())
	}
}

// TestLongPauses: what asks for a pause that is longer than MaxWait is not sent again, and not
// at once if no Duration is as long.
func TestLongPauses(t *testing.T) {
	for _, seconds := range []string{"60", "9300000000", "9223372036854775807", "18446744074"} {
		var asked atomic.Int32
		c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Retry-After", seconds)
			problem(w, http.StatusTooManyRequests, ErrRateLimited)
		}, Options{})
		if _, err := c.Clusters(t.Context(), ClusterFilter{}); !errors.Is(err, ErrRateLimited) || asked.Load() != 1 {
			t.Errorf("%s s: asked %d times, %v", seconds, asked.Load(), err)
		}
	}
}

// TestBodyIsCutOff: what was asked for and not got whole is asked for once more.
func TestBodyIsCutOff(t *testing.T) {
	var n atomic.Int32
	cut := int32(1)
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) <= cut {
			w.Header().Set("Content-Length", "100")
		}
		_, _ = io.WriteString(w, `{"name":"x"}`)
	}, Options{})
	if who, err := c.WhoAmI(t.Context()); err != nil || who.Name != "x" || n.Load() != 2 {
		t.Errorf("%+v, %v, sent %d times", who, err, n.Load())
	}
	n.Store(0)
	if _, err := c.Call(t.Context(), "prod", api.Call{Method: "POST", Path: "/x"}); !errors.Is(err, io.ErrUnexpectedEOF) || n.Load() != 1 {
		t.Errorf("a POST: %v, sent %d times", err, n.Load())
	}
	cut = 9
	n.Store(0)
	if _, err := c.WhoAmI(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) || n.Load() != 2 {
		t.Errorf("cut off always: %v, sent %d times", err, n.Load())
	}
}

// TestNotSent: what could not be sent is sent again, a POST as well.
func TestNotSent(t *testing.T) {
	var dials atomic.Int32
	refused := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		dials.Add(1)
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	}}
	c, err := New("http://bridge.invalid", Options{Transport: refused, Retry: quick})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Call(t.Context(), "prod", api.Call{Method: "POST", Path: "/x"}); err == nil || dials.Load() != 4 {
		t.Errorf("%d dials, %v", dials.Load(), err)
	}
}

func TestErrors(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/html") {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(403)
			_, _ = io.WriteString(w, "<h1>no "+strings.Repeat("x", 1<<16))
			return
		}
		problem(w, 404, ErrUnknownCluster)
	}, Options{})
	_, err := c.Cluster(t.Context(), "prod")
	e, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(err, ErrUnknownCluster) || errors.Is(err, ErrNotFound) || !IsType(err, "unknown-cluster") || e.Problem.RequestID != "r1" {
		t.Errorf("%v", err)
	}
	if want := "GET /v1/clusters/prod: 404 unknown-cluster: why (request r1)"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	_, err = c.Cluster(t.Context(), "html")
	if e, ok := errors.AsType[*Error](err); !ok || e.Problem.Status != 403 || e.Problem.Code != "" || len(e.Problem.Detail) > 300 || !strings.HasPrefix(e.Problem.Detail, "<h1>no") {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"", ".", ".."} {
		if _, err := c.Cluster(t.Context(), name); err == nil || errors.Is(err, ErrUnknownCluster) {
			t.Errorf("cluster %q: %v", name, err)
		}
	}
	if _, err := c.Cluster(t.Context(), "a/b?c"); err == nil || !strings.Contains(err.Error(), "/v1/clusters/a/b?c:") {
		t.Errorf("escaped: %v", err)
	}
}

func TestTokensStayAtTheBridge(t *testing.T) {
	var leaked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			leaked.Add(1)
		}
	}))
	defer other.Close()
	c, srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}, Options{Token: Token("secret")})
	if _, err := c.Clusters(t.Context(), ClusterFilter{}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a redirect: %v", err)
	}
	h := http.Client{Transport: c.Authorize(http.DefaultTransport)}
	defer h.CloseIdleConnections()
	for _, u := range []string{srv.URL, other.URL} { // the first redirects to the second
		if res, err := h.Get(u); err == nil {
			_ = res.Body.Close()
			t.Errorf("%s was answered", u)
		}
	}
	if leaked.Load() > 0 {
		t.Error("the token went to another host")
	}
	for _, bad := range []string{"https://", "ftp://x", "https://a:b@x", "https://x?y", "x", "https://x#y"} {
		if _, err := New(bad, Options{}); err == nil || strings.Contains(err.Error(), "a:b") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestTokens(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"name":%q,"method":%q}`, r.Header.Get("Authorization"), r.Header.Get("User-Agent"))
	}, Options{UserAgent: "shop/1"})
	file := filepath.Join(t.TempDir(), "token")
	c.token = TokenFile(file)
	for _, tt := range []struct{ text, want string }{{"one\n", "Bearer one"}, {"two", "Bearer two"}, {" \n", ""}, {"a b", ""}, {"a\nb", ""}} {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		who, err := c.WhoAmI(t.Context())
		if (err == nil) != (tt.want != "") || err == nil && (who.Name != tt.want || who.Method != "shop/1") {
			t.Errorf("%q: %+v, %v", tt.text, who, err)
		}
	}
	want := errors.New("no login")
	c.token = TokenFunc(func(context.Context) (string, error) { return "", want })
	if _, err := c.WhoAmI(t.Context()); !errors.Is(err, want) {
		t.Errorf("%v", err)
	}
}

func TestClusterTransport(t *testing.T) {
	var got string
	c, srv := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got = r.Host + " " + r.URL.RequestURI() + " " + r.Header.Get("Authorization")
	}, Options{Token: Token("t")})
	h := http.Client{Transport: c.Transport("prod.acme")}
	res, err := h.Get("https://kubernetes.default/api/v1/a%2Fb?x=1&y")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if want := strings.TrimPrefix(srv.URL, "http://") + " /k8s/clusters/prod.acme/api/v1/a%2Fb?x=1&y Bearer t"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestBrokenLines(t *testing.T) {
	for name, tt := range map[string]struct {
		text  string
		lines int
		whole bool
	}{
		"whole":     {`{"head":{"status":200}}` + "\n" + `{"body":"x"}` + "\n" + `{"end":{"bytes":1}}` + "\n", 3, true},
		"no end":    {`{"head":{"status":200}}` + "\n" + `{"body":"x"}` + "\n", 2, false},
		"half":      {`{"head":{"status":200}}` + "\n" + `{"end":{"bytes":1}}`, 1, false},
		"empty":     {"", 0, false},
		"not JSON":  {"{\n", 0, false},
		"wrong one": {"[]\n", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tt.text) }, Options{})
			n, whole := 0, true
			for _, err := range c.CallStream(t.Context(), "prod", api.Call{Path: "/x"}) {
				if err != nil {
					whole = false
				} else {
					n++
				}
			}
			if n != tt.lines || whole != tt.whole {
				t.Errorf("%d lines, whole %v", n, whole)
			}
		})
	}
}

// TestTokensDoNotCrossNetworksInClear: with a token a bridge is reached by https, or by http on
// this machine, unless the program says that somebody else sees to it.
func TestTokensDoNotCrossNetworksInClear(t *testing.T) {
	for bridge, o := range map[string]Options{
		"http://fairlead.example.com":     {Token: Token("t")},
		"http://10.0.0.1:8443/fairlead":   {Token: Token("t"), Transport: http.DefaultTransport},
		"http://localhost.example.com":    {Token: Token("t")},
		"HTTP://fairlead.example.com":     {Token: Token("t")},
		"http://[fe80::1]":                {Token: Token("t")},
		"http://127.0.0.1.example.com:80": {Token: Token("t")},
	} {
		if _, err := New(bridge, o); err == nil || !strings.Contains(err.Error(), "PlainHTTP") {
			t.Errorf("%s: %v", bridge, err)
		}
	}
	for bridge, o := range map[string]Options{
		"https://fairlead.example.com": {Token: Token("t")},
		"http://localhost:8080":        {Token: Token("t")},
		"http://127.0.0.2":             {Token: Token("t")},
		"http://[::1]:8443":            {Token: Token("t")},
		"http://fairlead.example.com":  {},
		"http://fairlead.platform.svc": {Token: Token("t"), PlainHTTP: true},
	} {
		if _, err := New(bridge, o); err != nil {
			t.Errorf("%s: %v", bridge, err)
		}
	}
}
