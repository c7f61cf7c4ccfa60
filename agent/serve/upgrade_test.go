package serve

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
)

// hijack answers 101 for protocol and gives the connection.
func hijack(t testing.TB, w http.ResponseWriter, protocol, early string) (net.Conn, *bufio.ReadWriter) {
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		panic(http.ErrAbortHandler)
	}
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\nX-Extra: 1\r\n\r\n%s", protocol, early)
	_ = rw.Flush()
	return conn, rw
}

func TestUpgradeCarriesRawBytes(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) { // an API server that offers HTTP/2 is asked by HTTP/1.1 all the same
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor != 1 || r.Header.Get("Connection") != "Upgrade" || r.Header.Get("Upgrade") != "SPDY/3.1" {
				t.Errorf("API server saw %s %v", r.Proto, r.Header)
			}
			conn, rw := hijack(t, w, "spdy/3.1", "early")
			defer conn.Close()
			_, _ = io.Copy(conn, rw)
		})
		p := newPair(t, agenttest.ConfigFor(s))
		for _, method := range []string{"POST", "GET"} {
			st := p.open(t, agenttest.UpgradeTo(method, "/exec", "SPDY/3.1"), []byte("ahead of the 101 "), false)
			h := agenttest.MustHead(t, st)
			if h.Status != 101 || h.Header.Get("Upgrade") != "spdy/3.1" || h.Header.Get("Connection") != "Upgrade" || h.Header.Get("X-Extra") != "1" {
				t.Errorf("got %d %v", h.Status, h.Header)
			}
			if _, err := io.WriteString(st, "hello"); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, len("earlyahead of the 101 hello"))
			if _, err := io.ReadFull(st, buf); err != nil || string(buf) != "earlyahead of the 101 hello" {
				t.Errorf("got %q, %v", buf, err)
			}
			_ = st.CloseWrite()
			if rest, err := io.ReadAll(st); len(rest) > 0 || err != nil {
				t.Errorf("got %q, %v, want a clean end", rest, err)
			}
		}
		agenttest.WaitFor(t, "the streams end", func() bool { return p.agent.Streams() == 0 })
	})
}

// sort < file: the answer comes only after the end of the input.
func TestHalfCloseFromTheClient(t *testing.T) {
	s := agenttest.Server(t, true, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw := hijack(t, w, "x", "")
		defer conn.Close()
		b, err := io.ReadAll(rw)
		fmt.Fprintf(conn, "%d %v", len(b), err)
	})
	p := newPair(t, agenttest.ConfigFor(s))
	st := p.open(t, agenttest.UpgradeTo("GET", "/", "x"), nil, false)
	agenttest.MustHead(t, st)
	_ = st.WriteFinal([]byte("some input"))
	if b, err := io.ReadAll(st); string(b) != "10 <nil>" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestHalfCloseFromTheServer(t *testing.T) {
	got := make(chan string, 1)
	s := agenttest.Server(t, true, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw := hijack(t, w, "x", "bye")
		defer conn.Close()
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
		sum := sha256.New()
		n, err := io.Copy(sum, rw)
		got <- fmt.Sprintf("%d %x %v", n, sum.Sum(nil), err)
	})
	p := newPair(t, agenttest.ConfigFor(s))
	st := p.open(t, agenttest.UpgradeTo("GET", "/", "x"), nil, false)
	agenttest.MustHead(t, st)
	if b, err := io.ReadAll(st); string(b) != "bye" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	// The client goes on, far beyond what buffers hold, and ends.
	sum := sha256.New()
	if _, err := st.ReadFrom(io.TeeReader(io.LimitReader(pattern(), 20<<20), sum)); err != nil {
		t.Fatal(err)
	}
	_ = st.CloseWrite()
	if g, want := <-got, fmt.Sprintf("%d %x <nil>", 20<<20, sum.Sum(nil)); g != want {
		t.Errorf("API server got %s, want %s", g, want)
	}
}

func TestHundredMegabytesEachWayAfterUpgrade(t *testing.T) {
	s := agenttest.Server(t, true, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw := hijack(t, w, "x", "")
		defer conn.Close()
		_, _ = io.Copy(conn, rw) // both ways at once
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
	})
	p := newPair(t, agenttest.ConfigFor(s))
	st := p.open(t, agenttest.UpgradeTo("GET", "/", "x"), nil, false)
	agenttest.MustHead(t, st)
	in, out := sha256.New(), sha256.New()
	wrote := make(chan error, 1)
	go func() {
		_, err := st.ReadFrom(io.TeeReader(io.LimitReader(pattern(), hundredMB), in))
		_ = st.CloseWrite()
		wrote <- err
	}()
	n, err := io.Copy(out, st)
	if werr := <-wrote; n != hundredMB || err != nil || werr != nil || !bytes.Equal(in.Sum(nil), out.Sum(nil)) {
		t.Errorf("%d bytes came back, errors %v and %v, equal: %v", n, err, werr, bytes.Equal(in.Sum(nil), out.Sum(nil)))
	}
}

func TestUpgradeAnsweredOtherwise(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no such pod", http.StatusNotFound)
		})
		p := newPair(t, agenttest.ConfigFor(s))
		st := p.open(t, agenttest.UpgradeTo("POST", "/exec", "SPDY/3.1"), []byte("GET /smuggled HTTP/1.1\r\n\r\n"), false)
		if h := agenttest.MustHead(t, st); h.Status != 404 {
			t.Errorf("got %d", h.Status)
		}
		if b, err := io.ReadAll(st); string(b) != "no such pod\n" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
		agenttest.WaitFor(t, "the stream ends", func() bool { return p.agent.Streams() == 0 })
	})
}

func TestUnaskedOrOtherSwitchIsRefused(t *testing.T) {
	s := agenttest.Server(t, false, func(w http.ResponseWriter, _ *http.Request) {
		conn, _ := hijack(t, w, "other", "raw bytes")
		_ = conn.Close()
	})
	p := newPair(t, agenttest.ConfigFor(s))
	agenttest.WantReset(t, p.open(t, agenttest.Get("/"), nil, true), subjects.CodeUpstream)
	agenttest.WantReset(t, p.open(t, agenttest.UpgradeTo("GET", "/", "x"), nil, false), subjects.CodeUpstream)
}

func TestUpgradedConnectionLost(t *testing.T) {
	url := agenttest.RawServer(t, func(c net.Conn) {
		defer c.Close()
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhalf")
		_ = c.(*net.TCPConn).SetLinger(0) // Close sends a reset
		_, _ = c.Read(make([]byte, 1))
	})
	config := agenttest.ConfigFor(agenttest.Server(t, true, nil))
	config.Host, config.CAData = url, nil
	p := newPair(t, config)
	st := p.open(t, agenttest.UpgradeTo("GET", "/", "x"), nil, false)
	agenttest.MustHead(t, st)
	_, _ = io.WriteString(st, "!")
	agenttest.WantReset(t, st, subjects.CodeUpstream)
	agenttest.WaitFor(t, "the stream ends", func() bool { return p.agent.Streams() == 0 })
}

func TestCancelClosesTheUpgradedConnection(t *testing.T) {
	gone := make(chan struct{}, 1)
	s := agenttest.Server(t, true, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw := hijack(t, w, "x", "")
		defer conn.Close()
		_, _ = io.Copy(io.Discard, rw)
		gone <- struct{}{}
	})
	p := newPair(t, agenttest.ConfigFor(s))
	st := p.open(t, agenttest.UpgradeTo("GET", "/", "x"), nil, false)
	agenttest.MustHead(t, st)
	_ = st.Close()
	agenttest.Within(t, time.Second, "the API server's side ends", gone)
	agenttest.WaitFor(t, "the stream ends", func() bool { return p.agent.Streams() == 0 })
}

func TestServerThatClosesEndsTheStream(t *testing.T) {
	s := agenttest.Server(t, true, func(w http.ResponseWriter, _ *http.Request) {
		conn, _ := hijack(t, w, "x", "done")
		_ = conn.Close()
	})
	p := newPair(t, agenttest.ConfigFor(s))
	st := p.open(t, agenttest.UpgradeTo("GET", "/", "x"), nil, false)
	agenttest.MustHead(t, st)
	if b, err := io.ReadAll(st); string(b) != "done" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	// Bytes that are still written are dropped, and the writer is notified.
	agenttest.WaitFor(t, "the writer is told to stop", func() bool {
		_, err := io.WriteString(st, strings.Repeat("x", 1000))
		return err != nil
	})
	agenttest.WaitFor(t, "the stream ends", func() bool { return p.agent.Streams() == 0 })
}
