package load_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/bench/parts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startUpstream serves h and returns its URL.
func startUpstream(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// startHTTPS is startUpstream with HTTPS, and HTTP/2 in it if http2 says so. It returns the
// file of its CA too.
func startHTTPS(t *testing.T, h http.Handler, http2 bool) (url, ca string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = http2
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	ca = filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.URL, ca
}

func newClient(t *testing.T) *load.Client {
	t.Helper()
	c := load.NewClient()
	t.Cleanup(c.Close)
	return c
}

// Every operation works against the upstream, directly.
func TestOperations(t *testing.T) {
	operations(t, startUpstream(t, parts.NewUpstream()), "")
}

// The same over HTTP/2, of which all requests but those that are to be apart share a
// connection.
func TestOperationsOverHTTP2(t *testing.T) {
	up := parts.NewUpstream()
	var connections sync.Map
	url, ca := startHTTPS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("a request came over %s", r.Proto)
		}
		connections.Store(r.RemoteAddr, true)
		up.ServeHTTP(w, r)
	}), true)
	operations(t, url, ca)
	n := 0
	for range connections.Range {
		n++
	}
	if n != 2 {
		t.Errorf("%d connections were made, expected 2", n)
	}
}

func operations(t *testing.T, url, ca string) {
	c := newClient(t)
	for _, j := range []load.Job{
		{Op: load.OpUnary, Conns: 1, Millis: 20},
		{Op: load.OpUnary, Conns: 8, Millis: 20},
		{Op: load.OpDownload, Conns: 3, Bytes: 9 << 20},
		{Op: load.OpUpload, Conns: 3, Bytes: 9 << 20},
		{Op: load.OpBeside, Conns: 2, Millis: 20},
		{Op: load.OpWatch, Conns: 5, Interval: 5, Millis: 50},
		{Op: load.OpHold, Conns: 20},
		{Op: load.OpRelease, Conns: 20},
	} {
		j.URL, j.Upstream, j.CA = url, url, ca
		r, err := c.Do(j)
		if err != nil {
			t.Errorf("%s: %v", j.Op, err)
			continue
		}
		if r.Count == 0 {
			t.Errorf("%s: nothing was counted", j.Op)
		}
		if (j.Op == load.OpUnary || j.Op == load.OpWatch) && !(0 < r.P50 && r.P50 <= r.P99) {
			t.Errorf("%s: p50 is %v and p99 %v", j.Op, r.P50, r.P99)
		}
		if j.Bytes > 0 && r.Bytes != j.Bytes {
			t.Errorf("%s: moved %d bytes of %d", j.Op, r.Bytes, j.Bytes)
		}
	}
}

// A job with a rate makes as many requests as that, in equal steps, and one that is late
// makes up for it.
func TestRate(t *testing.T) {
	late := make(chan struct{}, 1)
	late <- struct{}{}
	up := parts.NewUpstream()
	url := startUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-late:
			time.Sleep(100 * time.Millisecond)
		default:
		}
		up.ServeHTTP(w, r)
	}))
	c := newClient(t)
	r, err := c.Do(load.Job{Op: load.OpUnary, URL: url, Conns: 4, Millis: 500, Rate: 400})
	if err != nil {
		t.Fatal(err)
	}
	if r.Count < 150 || r.Count > 204 || r.Seconds < 0.49 {
		t.Errorf("%d requests in %.2f s, expected 200 in 0.5 s", r.Count, r.Seconds)
	}
}

// Bodies without a Content-Length are read as well.
func TestChunkedAnswers(t *testing.T) {
	up := parts.NewUpstream()
	url := startUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up.ServeHTTP(unannounced{w}, r)
	}))
	c := newClient(t)
	for _, j := range []load.Job{
		{Op: load.OpUnary, Conns: 2, Millis: 20, URL: url},
		{Op: load.OpDownload, Conns: 1, Bytes: 5<<20 + 3, URL: url},
	} {
		r, err := c.Do(j)
		if err != nil {
			t.Errorf("%s: %v", j.Op, err)
		}
		if j.Bytes > 0 && r.Bytes != j.Bytes {
			t.Errorf("moved %d bytes of %d", r.Bytes, j.Bytes)
		}
	}
}

// unannounced removes the Content-Length of an answer and flushes each write.
type unannounced struct{ http.ResponseWriter }

func (u unannounced) Write(p []byte) (int, error) {
	u.Header().Del("Content-Length")
	n, err := u.ResponseWriter.Write(p)
	return n, errors.Join(err, http.NewResponseController(u.ResponseWriter).Flush())
}

// Failed requests are never counted as work.
func TestFailuresAreReported(t *testing.T) {
	refusing := startUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the cluster is offline", http.StatusServiceUnavailable)
	}))
	breaking := startUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == load.PathBulk {
			w.Header().Set("Content-Length", "1000000")
			_, _ = w.Write([]byte("short"))
			panic(http.ErrAbortHandler)
		}
	}))
	old, ca := startHTTPS(t, parts.NewUpstream(), false)
	unwilling, otherCA := startHTTPS(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the cluster is offline", http.StatusServiceUnavailable)
	}), true)
	c := newClient(t)
	for _, tc := range []struct {
		name string
		job  load.Job
		want string
	}{
		{"refusal", load.Job{Op: load.OpUnary, URL: refusing, Conns: 2, Millis: 10}, "the cluster is offline"},
		{"refused watch", load.Job{Op: load.OpWatch, URL: refusing, Conns: 2, Millis: 10, Interval: 5}, "503"},
		{"broken body", load.Job{Op: load.OpDownload, URL: breaking, Conns: 1, Bytes: 1000000}, "EOF"},
		{"no HTTP/2", load.Job{Op: load.OpUnary, URL: old, CA: ca, Conns: 1, Millis: 10}, "no application protocol"},
		{"refusal over HTTP/2", load.Job{Op: load.OpUnary, URL: unwilling, CA: otherCA, Conns: 1, Millis: 10}, "the cluster is offline"},
		{"no CA", load.Job{Op: load.OpUnary, URL: old, Conns: 1, Millis: 10}, "ca"},
		{"nobody there", load.Job{Op: load.OpUnary, URL: "http://127.0.0.1:1", Conns: 1, Millis: 10}, "refused"},
		{"elsewhere", load.Job{Op: load.OpUnary, URL: "http://192.0.2.1:80", Conns: 1, Millis: 10}, "loopback"},
		{"too many", load.Job{Op: load.OpUnary, URL: refusing, Conns: load.MaxConns + 1}, "conns"},
		{"unknown", load.Job{Op: "sing", URL: refusing, Conns: 1}, "sing"},
	} {
		if _, err := c.Do(tc.job); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error is %v, expected one with %q", tc.name, err, tc.want)
		}
	}
}

// Jobs and results cross pipes as lines.
func TestServe(t *testing.T) {
	in := strings.NewReader(`{"op":"unary","url":"good","conns":1}` + "\n" + `{"op":"unary","url":"bad","conns":1}` + "\n")
	var out bytes.Buffer
	err := load.Serve(in, &out, func(j load.Job) (load.Result, error) {
		if j.URL == "bad" {
			return load.Result{Count: 7}, errors.New("no luck")
		}
		return load.Result{Count: 3}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(&out)
	var first, second load.Result
	if err := errors.Join(d.Decode(&first), d.Decode(&second)); err != nil {
		t.Fatal(err)
	}
	if first.Count != 3 || first.Message != "" || second.Message != "no luck" || second.Count != 0 {
		t.Errorf("results are %+v and %+v", first, second)
	}
	if err := load.Serve(strings.NewReader("{oops"), &out, nil); err == nil {
		t.Error("a line that is not a job was accepted")
	}
}
