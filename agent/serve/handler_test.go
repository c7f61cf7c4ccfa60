package serve

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
)

func TestSmallAnswerIsOneMessage(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Proto", r.Proto)
			w.WriteHeader(http.StatusCreated)
			_, _ = io.Copy(w, r.Body)
		})
		p := newPair(t, agenttest.ConfigFor(s))
		p.handler.gatherTime = time.Minute // however slow the machine is
		p.do(t, agenttest.Get("/warm"), nil)
		before := p.messages.Load()
		body := []byte(strings.Repeat("x", 1000))
		h, b := p.do(t, agenttest.Post("/a", 1000), body)
		if h.Status != 201 || !bytes.Equal(b, body) {
			t.Errorf("got %d with %d bytes", h.Status, len(b))
		}
		if want := map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[h2]; h.Header.Get("X-Proto") != want {
			t.Errorf("API server saw %s, want %s", h.Header.Get("X-Proto"), want)
		}
		if n := p.messages.Load() - before; n != 1 {
			t.Errorf("%d messages from the agent, want 1", n)
		}
	})
}

func TestRequestPassesUnchanged(t *testing.T) {
	got := make(chan *http.Request, 1)
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(_ http.ResponseWriter, r *http.Request) { got <- r.Clone(context.Background()) })
		p := newPair(t, agenttest.ConfigFor(s))
		for _, target := range []string{
			"/", "/api/v1/pods?limit=500", "/a%2Fb/c%20d", "/a?", "/a//b/../c", "/x?q=%zz&a=b;c", "/x/%E4%B8%96", "/a'b(c)*$!",
		} {
			p.do(t, agenttest.Get(target), nil)
			if r := <-got; r.RequestURI != target {
				t.Errorf("target %q arrived as %q", target, r.RequestURI)
			}
		}
		head := agenttest.Get("/h")
		head.Header = http.Header{"X-Multi": {"a", "b"}, "Accept-Encoding": {"gzip"}, "X-Empty": {""}}
		p.do(t, head, nil)
		r := <-got
		if !slices.Equal(r.Header["X-Multi"], []string{"a", "b"}) || r.Header.Get("Accept-Encoding") != "gzip" || r.Header["X-Empty"] == nil {
			t.Errorf("got %v", r.Header)
		}
		if len(r.Header) != 3 {
			t.Errorf("headers were added: %v", r.Header)
		}
		if r.ContentLength != 0 || r.Host != strings.TrimPrefix(s.URL, "https://") {
			t.Errorf("content length %d, host %q", r.ContentLength, r.Host)
		}
	})
}

func TestHeadersThatMustNotPass(t *testing.T) {
	got := make(chan http.Header, 1)
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })
		config := agenttest.ConfigFor(s)
		config.BearerToken = "own"
		p := newPair(t, config)
		head := agenttest.Get("/")
		head.Header = http.Header{
			"Authorization": {"Bearer stolen"}, "Proxy-Authorization": {"x"}, "Impersonate-User": {"root"},
			"Impersonate-Group": {"system:masters"}, "Impersonate-Extra-Scopes": {"x"}, "Impersonate-Uid": {"1"},
			"Impersonate_user": {"root"}, "Impersonateuser": {"root"}, "X-Remote_user": {"root"}, "X_remote_user": {"root"},
			"X-Remote-User": {"root"}, "X-Remote-Group": {"system:masters"}, "X-Remote-Extra-A": {"b"},
			"Connection": {"keep-alive, X-Hop"}, "X-Hop": {"1"}, "Keep-Alive": {"5"}, "Te": {"gzip"},
			"Transfer-Encoding": {"chunked"}, "Expect": {"100-continue"}, "Upgrade": {"h2c"}, "Http2-Settings": {"x"},
			"X-Stays": {"1"},
		}
		p.do(t, head, nil)
		h := <-got
		if h.Get("Authorization") != "Bearer own" || h.Get("X-Stays") != "1" || len(h) != 2 {
			t.Errorf("API server saw %v, want only the agent's own token and X-Stays", h)
		}
	})
}

func TestRedirectsAndOtherStatusesAreAnswers(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		hits := 0
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			hits++
			code, _ := strconv.Atoi(path.Base(r.URL.Path))
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		})
		p := newPair(t, agenttest.ConfigFor(s))
		for i, code := range []int{301, 302, 307, 308, 204, 304, 401, 404, 500, 503} {
			h, _ := p.do(t, agenttest.Get(fmt.Sprintf("/api/v1/nodes/n/proxy/%d", code)), nil)
			if h.Status != code || h.Header.Get("Location") != "/elsewhere" || hits != i+1 {
				t.Errorf("status %d arrived as %d, Location %q, after %d requests (want %d)", code, h.Status, h.Header.Get("Location"), hits, i+1)
			}
		}
	})
}

func TestInformationalAnswersAreSkipped(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusOK)
		})
		p := newPair(t, agenttest.ConfigFor(s))
		if h, _ := p.do(t, agenttest.Get("/"), nil); h.Status != 200 {
			t.Errorf("got %d", h.Status)
		}
	})
}

func TestHeadHasLengthAndNoBody(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "12345") })
		p := newPair(t, agenttest.ConfigFor(s))
		h, b := p.do(t, &subjects.RequestHead{Method: "HEAD", Target: "/", Header: http.Header{}}, nil)
		if h.ContentLength != 12345 || len(b) != 0 {
			t.Errorf("content length %d, %d bytes", h.ContentLength, len(b))
		}
	})
}

func TestTrailers(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Sum, X-Request")
			_, _ = io.Copy(w, r.Body)
			w.Header().Set("X-Sum", "42")
			w.Header().Set("X-Request", r.Trailer.Get("X-Up"))
		})
		p := newPair(t, agenttest.ConfigFor(s))
		head := agenttest.Post("/", -1)
		head.Header.Set("Trailer", "X-Up")
		st := p.open(t, head, []byte("hello"), false)
		trailer, err := subjects.AppendTrailer(nil, http.Header{"X-Up": {"7"}, "X-Unannounced": {"no"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := st.CloseWriteTrailer(trailer); err != nil {
			t.Fatal(err)
		}
		h := agenttest.MustHead(t, st)
		b, err := io.ReadAll(st)
		if err != nil || string(b) != "hello" || h.Header.Get("Trailer") != "X-Request, X-Sum" {
			t.Errorf("body %q, error %v, announced %q", b, err, h.Header.Get("Trailer"))
		}
		got, err := subjects.ParseTrailer(st.Trailer())
		if err != nil || got.Get("X-Sum") != "42" || got.Get("X-Request") != "7" {
			t.Errorf("trailer %v, error %v", got, err)
		}
	})
}

func TestHeadLeavesBeforeTheBody(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		for _, target := range []string{"/plain", "/pods?watch=true", "/length"} {
			step := make(chan struct{}, 2)
			s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/length" {
					w.Header().Set("Content-Length", "10") // and comes slowly
				}
				w.WriteHeader(200)
				w.(http.Flusher).Flush()
				for i := range 2 {
					select {
					case <-step:
					case <-r.Context().Done(): // the test has failed
						return
					}
					_, _ = io.WriteString(w, chunk(r, i))
					w.(http.Flusher).Flush()
				}
			})
			p := newPair(t, agenttest.ConfigFor(s))
			st := p.open(t, agenttest.Get(target), nil, true)
			if h := agenttest.MustHead(t, st); h.Status != 200 {
				t.Errorf("%s: got %d", target, h.Status)
			}
			buf := make([]byte, 6)
			for i, n := range []int{6, 4} {
				step <- struct{}{}
				want := fmt.Sprintf("chunk%d", i)[:n]
				if target != "/length" {
					n, want = 6, fmt.Sprintf("chunk%d", i)
				}
				if _, err := io.ReadFull(st, buf[:n]); err != nil || string(buf[:n]) != want {
					t.Errorf("%s: got %q, %v, want %q as soon as it is sent", target, buf[:n], err, want)
				}
			}
		}
	})
}

func TestLargeHeadArrivesInPieces(t *testing.T) {
	s := agenttest.Server(t, true, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Back", r.Header.Get("X-Large"))
		_, _ = io.Copy(w, r.Body)
	})
	s.Config.MaxHeaderBytes = 2 << 20
	p := newPair(t, agenttest.ConfigFor(s))
	head := agenttest.Post("/", 4)
	head.Header.Set("X-Large", strings.Repeat("v", 300<<10))
	h, b := p.do(t, head, []byte("body"))
	if len(h.Header.Get("X-Back")) != 300<<10 || string(b) != "body" {
		t.Errorf("got %d bytes of header, body %q", len(h.Header.Get("X-Back")), b)
	}
}

func TestPathPrefix(t *testing.T) {
	s := agenttest.Server(t, true, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) })
	config := agenttest.ConfigFor(s)
	config.Host += "/k8s/clusters/c-1/"
	p := newPair(t, config)
	for _, target := range []string{"/api", "/", "//x", "/a%2fb?x=../y", "/a..b"} {
		if _, b := p.do(t, agenttest.Get(target), nil); string(b) != "/k8s/clusters/c-1"+target {
			t.Errorf("%q arrived as %q", target, b)
		}
	}
	for _, target := range []string{"/../other", "/a/../../b", "/%2e%2e/b", "/./b", "/..%2fb", "/..\\b", "/%zz"} {
		agenttest.WantReset(t, p.open(t, agenttest.Get(target), nil, true), subjects.CodeBadRequest)
	}
}

func TestDoubleSlashWithoutPrefix(t *testing.T) {
	s := agenttest.Server(t, false, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) })
	p := newPair(t, agenttest.ConfigFor(s))
	if _, b := p.do(t, agenttest.Get("//evil.example/x?y=1"), nil); string(b) != "//evil.example/x?y=1" {
		t.Errorf("arrived as %q", b)
	}
}

// chunk keeps to the announced length of /length, which is ten bytes.
