package serve

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/subjects"
)

// TestStreamedBodyThatWasNotExecuted: while a body is under way the API server
// says, by GOAWAY or REFUSED_STREAM, that it will not execute the request.
func TestStreamedBodyThatWasNotExecuted(t *testing.T) {
	goAway := func(f *http2.Framer, stream uint32) { _ = f.WriteGoAway(stream-2, http2.ErrCodeNo, nil) }
	refuse := func(f *http2.Framer, stream uint32) { _ = f.WriteRSTStream(stream, http2.ErrCodeRefusedStream) }
	for _, refusal := range []struct {
		name string
		send func(f *http2.Framer, stream uint32)
	}{{"GOAWAY", goAway}, {"REFUSED_STREAM", refuse}} {
		for _, body := range []struct {
			name         string
			size, length int64
			want         subjects.Code // 0: sent again and answered
		}{
			{"64 KiB", 64 << 10, 64 << 10, 0},
			{"3 MiB", maxKept, maxKept, 0},
			{"over 3 MiB", maxKept + 1, maxKept + 1, subjects.CodeUpstreamRefused},
			{"of unknown length", 64 << 10, -1, subjects.CodeUpstreamRefused},
		} {
			t.Run(refusal.name+"/"+body.name, func(t *testing.T) {
				var refused, executed atomic.Int32
				var got bytes.Buffer // of the attempt that is executed
				p := newPair(t, h2serverData(t, func(f *http2.Framer, d *http2.DataFrame) bool {
					if refused.Add(1) == 1 {
						refusal.send(f, d.StreamID)
						return true
					}
					got.Write(d.Data())
					return false
				}, func(f *http2.Framer, stream uint32, n int32) bool {
					executed.Store(n)
					ok(f, stream)
					return true
				}))
				p.do(t, agenttest.Get("/warm"), nil)
				content := make([]byte, body.size)
				_, _ = rand.Read(content)
				st := p.open(t, &subjects.RequestHead{Method: "POST", Target: "/target", Header: http.Header{}, ContentLength: body.length}, nil, false)
				if _, err := st.ReadFrom(bytes.NewReader(content)); err == nil {
					_ = st.CloseWrite()
				}
				_, err := agenttest.AnswerHead(st)
				if body.want != 0 {
					if code := subjects.CodeOf(err); code != body.want || executed.Load() != 0 {
						t.Errorf("got %v, executed %d times; want %v, not executed", err, executed.Load(), body.want)
					}
					return
				}
				if err != nil || executed.Load() != 1 {
					t.Errorf("got %v, executed %d times; want an answer, executed once", err, executed.Load())
				}
				if !bytes.Equal(got.Bytes(), content) {
					t.Errorf("the body that was sent again has %d bytes, not those of the first time", got.Len())
				}
			})
		}
	}
}

// TestKeptBytesAreBounded: a body that does not fit into the bound of all is
// not kept, and is then reported as not executed; what is kept is given back.
func TestKeptBytesAreBounded(t *testing.T) {
	var refused atomic.Int32
	p := newPair(t, h2serverData(t, func(f *http2.Framer, d *http2.DataFrame) bool {
		if refused.Add(1) > 1 {
			return false
		}
		_ = f.WriteRSTStream(d.StreamID, http2.ErrCodeRefusedStream)
		return true
	}, func(f *http2.Framer, stream uint32, _ int32) bool { ok(f, stream); return true }))
	p.do(t, agenttest.Get("/warm"), nil)
	send := func() error {
		st := p.open(t, agenttest.Post("/target", 100<<10), nil, false)
		if _, err := st.ReadFrom(bytes.NewReader(make([]byte, 100<<10))); err == nil {
			_ = st.CloseWrite()
		}
		_, err := agenttest.AnswerHead(st)
		return err
	}
	p.handler.kept.used.Store(maxAllKept - 10<<10)
	if code := subjects.CodeOf(send()); code != subjects.CodeUpstreamRefused {
		t.Errorf("a body over the bound ended with %v, want %v", code, subjects.CodeUpstreamRefused)
	}
	p.handler.kept.used.Store(0)
	refused.Store(0)
	if err := send(); err != nil {
		t.Errorf("a body within the bound: %v", err)
	}
	agenttest.WaitFor(t, "what was kept is given back", func() bool { return p.handler.kept.used.Load() == 0 })
}

// TestGoAwayIsRecognised: a GOAWAY that excludes a request is recognised by the
// texts of x/net, where nothing could be sent again.
func TestGoAwayIsRecognised(t *testing.T) {
	for name, code := range map[string]http2.ErrCode{"graceful": http2.ErrCodeNo, "with an error": http2.ErrCodeEnhanceYourCalm} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, h2serverData(t, func(f *http2.Framer, d *http2.DataFrame) bool {
				_ = f.WriteGoAway(max(d.StreamID, 2)-2, code, nil)
				return true
			}, func(f *http2.Framer, stream uint32, _ int32) bool { ok(f, stream); return true }))
			if code == http2.ErrCodeNo { // x/net treats a connection's first stream differently after an error
				p.do(t, agenttest.Get("/warm"), nil)
			}
			target, err := p.up.Target("/target")
			if err != nil {
				t.Fatal(err)
			}
			req := blank.WithContext(t.Context())
			req.Method, req.URL, req.Header = "POST", target, http.Header{}
			req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(make([]byte, 100))), 100
			_, err = p.up.RoundTrip(req, false)
			if f := fault.In(err); f == nil || f.Code != subjects.CodeUpstreamRefused {
				t.Errorf("got %v, want code %v", err, subjects.CodeUpstreamRefused)
			}
		})
	}
}
