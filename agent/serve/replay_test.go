package serve

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// Each server here answers a first request, so that the connection has been
// used, and then breaks off after it has read another: it may have executed it.

func TestNoReplayAfterLostConnectionHTTP1(t *testing.T) {
	for _, test := range []struct {
		name, method string
		header       http.Header
		body         string
		replayed     bool
	}{
		{"POST with body", "POST", nil, "x", false},
		{"POST without body", "POST", nil, "", false},
		{"POST with idempotency key and no body", "POST", http.Header{"Idempotency-Key": {"1"}}, "", false},
		{"POST with idempotency key and body", "POST", http.Header{"X-Idempotency-Key": {"1"}}, "x", false},
		{"DELETE", "DELETE", nil, "", false},
		{"GET", "GET", nil, "", true}, // as net/http always does
	} {
		t.Run(test.name, func(t *testing.T) {
			var executed atomic.Int32
			url := agenttest.RawServer(t, func(c net.Conn) {
				defer c.Close()
				r := bufio.NewReader(c)
				for i := 0; ; i++ {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if req.URL.Path == "/target" {
						for k, v := range test.header {
							if req.Header.Get(k) != v[0] {
								t.Errorf("header %s is lost", k)
							}
						}
						if executed.Add(1) == 1 {
							return
						}
					}
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			})
			p := newPair(t, &rest.Config{Host: url})
			p.do(t, agenttest.Get("/warm"), nil)
			h := test.header
			if h == nil {
				h = http.Header{}
			}
			head := &subjects.RequestHead{Method: test.method, Target: "/target", Header: h, ContentLength: int64(len(test.body))}
			st := p.open(t, head, []byte(test.body), true)
			_, err := agenttest.AnswerHead(st)
			if test.replayed {
				if err != nil || executed.Load() != 2 {
					t.Errorf("error %v, executed %d times; want a second try", err, executed.Load())
				}
			} else if code := subjects.CodeOf(err); code != subjects.CodeUpstream || executed.Load() != 1 {
				t.Errorf("error %v, executed %d times; want %v and once", err, executed.Load(), subjects.CodeUpstream)
			}
		})
	}
}

func TestUpgradeIsNeverReplayed(t *testing.T) {
	var executed atomic.Int32
	url := agenttest.RawServer(t, func(c net.Conn) {
		defer c.Close()
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if req.URL.Path == "/target" {
				executed.Add(1)
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
		}
	})
	p := newPair(t, &rest.Config{Host: url})
	st := p.open(t, agenttest.UpgradeTo("GET", "/warm", "websocket"), nil, false)
	agenttest.MustHead(t, st)
	_ = st.Close()
	agenttest.WantReset(t, p.open(t, agenttest.UpgradeTo("GET", "/target", "websocket"), nil, false), subjects.CodeUpstream)
	if n := executed.Load(); n != 1 {
		t.Errorf("executed %d times", n)
	}
}

// h2server speaks HTTP/2 frame by frame. reply is called for each request
// whose path is /target, once its body has come, with its number from 1.
func h2server(t *testing.T, reply func(f *http2.Framer, stream uint32, n int32) (goOn bool)) *rest.Config {
	t.Helper()
	return h2serverData(t, func(*http2.Framer, *http2.DataFrame) bool { return false }, reply)
}

// h2serverData also calls data for each DATA frame of a request whose path is
// /target. A request that data reports as refused is read no further.
func h2serverData(t *testing.T, data func(f *http2.Framer, d *http2.DataFrame) (refused bool),
	reply func(f *http2.Framer, stream uint32, n int32) (goOn bool)) *rest.Config {
	t.Helper()
	authority := testca.New(t, "raw")
	config := &tls.Config{Certificates: []tls.Certificate{authority.Peer("raw")}, NextProtos: []string{"h2"}}
	var targets atomic.Int32
	url := agenttest.RawServer(t, func(raw net.Conn) {
		c := tls.Server(raw, config)
		defer c.Close()
		if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		f := http2.NewFramer(c, c)
		f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		_ = f.WriteSettings()
		paths := make(map[uint32]string)
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			ended := false
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					_ = f.WriteSettingsAck()
				}
			case *http2.MetaHeadersFrame:
				paths[frame.StreamID] = frame.PseudoValue("path")
				ended = frame.StreamEnded()
			case *http2.DataFrame:
				ended = frame.StreamEnded()
				if paths[frame.StreamID] == "/target" && data(f, frame) {
					paths[frame.StreamID], ended = "/refused", false
				}
				if !ended {
					if n := uint32(len(frame.Data())); n > 0 {
						_ = f.WriteWindowUpdate(0, n)
						_ = f.WriteWindowUpdate(frame.StreamID, n)
					}
				}
			}
			id := frame.Header().StreamID
			if !ended || paths[id] == "/refused" {
				continue
			}
			if paths[id] != "/target" {
				ok(f, id)
			} else if !reply(f, id, targets.Add(1)) {
				return
			}
		}
	})
	return &rest.Config{Host: "https" + url[len("http"):], TLSClientConfig: rest.TLSClientConfig{CAData: authority.PEM()}}
}

func ok(f *http2.Framer, stream uint32) {
	// Index 8 of HPACK's static table is ":status: 200".
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte{0x88}, EndHeaders: true, EndStream: true})
}

func TestReplaysHTTP2(t *testing.T) {
	reset := func(code http2.ErrCode) func(f *http2.Framer, stream uint32) bool {
		return func(f *http2.Framer, stream uint32) bool { _ = f.WriteRSTStream(stream, code); return true }
	}
	goAway := func(f *http2.Framer, stream uint32) bool {
		_ = f.WriteGoAway(stream-2, http2.ErrCodeNo, nil) // the stream is not among those that are served
		return true
	}
	for _, test := range []struct {
		name     string
		first    func(f *http2.Framer, stream uint32) bool
		replayed bool
	}{
		// The first three say that the request was not executed.
		{"GOAWAY", goAway, true},
		{"REFUSED_STREAM", reset(http2.ErrCodeRefusedStream), true},
		{"PROTOCOL_ERROR", reset(http2.ErrCodeProtocol), false},
		{"INTERNAL_ERROR", reset(http2.ErrCodeInternal), false},
		{"connection closed", func(*http2.Framer, uint32) bool { return false }, false},
	} {
		for _, method := range []string{"POST", "DELETE"} {
			for _, body := range []string{"", "x"} {
				t.Run(test.name+" "+method+" "+strconv.Itoa(len(body)), func(t *testing.T) {
					var executed atomic.Int32
					p := newPair(t, h2server(t, func(f *http2.Framer, stream uint32, n int32) bool {
						executed.Store(n)
						if n == 1 {
							return test.first(f, stream)
						}
						ok(f, stream)
						return true
					}))
					p.do(t, agenttest.Get("/warm"), nil)
					head := &subjects.RequestHead{Method: method, Target: "/target", Header: http.Header{}, ContentLength: int64(len(body))}
					st := p.open(t, head, []byte(body), true)
					_, err := agenttest.AnswerHead(st)
					switch {
					case test.replayed && (err != nil || executed.Load() != 2):
						t.Errorf("error %v, sent %d times; want it sent again, since it was not executed", err, executed.Load())
					case !test.replayed && (subjects.CodeOf(err) != subjects.CodeUpstream || executed.Load() != 1):
						t.Errorf("error %v, sent %d times; want %v and once", err, executed.Load(), subjects.CodeUpstream)
					}
				})
			}
		}
	}
}
