package parts

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/fairlead-io/fairlead/bench/load"
)

// eventSize is the size in bytes of a watch event, as of a small Kubernetes
// object's.
const eventSize = 512

// Upstream stands for the API server. It serves small answers of 1 KB, downloads
// and uploads of any size, and watches whose events contain their sending time.
type Upstream struct {
	small  []byte
	block  []byte
	active atomic.Int64 // downloads and watches under way
}

// NewUpstream returns an upstream.
func NewUpstream() *Upstream {
	small := []byte(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"small","namespace":"bench"},"data":{"fill":"`)
	small = append(small, bytes.Repeat([]byte("x"), 1024-len(small)-4)...)
	return &Upstream{small: append(small, "\"}}\n"...), block: make([]byte, 256<<10)}
}

// ServeHTTP implements [http.Handler].
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case load.PathUnary:
		answer(w, u.small)
	case load.PathBulk:
		u.bulk(w, r)
	case load.PathSink:
		u.sink(w, r)
	case load.PathWatch:
		u.watch(w, r)
	case load.PathActive:
		answer(w, strconv.AppendInt(nil, u.active.Load(), 10))
	case "/version":
		answer(w, []byte(`{"major":"1","minor":"34","gitVersion":"v1.34.0","platform":"bench"}`))
	case "/readyz", "/livez", "/healthz":
		answer(w, []byte("ok"))
	default:
		http.NotFound(w, r)
	}
}

func answer(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache, private")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // fails only if the caller has gone
}

func number(r *http.Request, name string) (int64, error) {
	n, err := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
	if err == nil && n < 0 {
		err = strconv.ErrRange
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return n, nil
}

func (u *Upstream) bulk(w http.ResponseWriter, r *http.Request) {
	left, err := number(r, "bytes")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u.active.Add(1)
	defer u.active.Add(-1)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(left, 10))
	for left > 0 {
		n, err := w.Write(u.block[:min(left, int64(len(u.block)))])
		if err != nil {
			return
		}
		left -= int64(n)
	}
}

func (u *Upstream) sink(w http.ResponseWriter, r *http.Request) {
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, make([]byte, 256<<10))
	if err != nil || n != r.ContentLength && r.ContentLength >= 0 {
		http.Error(w, fmt.Sprintf("got %d bytes of %d: %v", n, r.ContentLength, err), http.StatusBadRequest)
		return
	}
	answer(w, []byte("{}"))
}

// watch sends an event at once and then one each interval, unless that is 0.
func (u *Upstream) watch(w http.ResponseWriter, r *http.Request) {
	interval, err := number(r, "interval")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u.active.Add(1)
	defer u.active.Add(-1)
	w.Header().Set("Content-Type", "application/json")
	flush := http.NewResponseController(w).Flush
	var ticks <-chan time.Time
	if interval > 0 {
		t := time.NewTicker(time.Duration(interval) * time.Millisecond)
		defer t.Stop()
		ticks = t.C
	}
	event := make([]byte, 0, eventSize)
	for {
		event = appendEvent(event[:0])
		if _, err := w.Write(event); err != nil || flush() != nil {
			return
		}
		select {
		case <-ticks:
		case <-r.Context().Done():
			return
		}
	}
}

func appendEvent(b []byte) []byte {
	b = append(b, `{"type":"MODIFIED","object":{`+load.EventMark...)
	b = strconv.AppendInt(b, time.Now().UnixNano(), 10)
	b = append(b, `","fill":"`...)
	for len(b) < eventSize-4 {
		b = append(b, 'x')
	}
	return append(b, "\"}}\n"...)
}

func runUpstream(_ context.Context, args []string, p IO) error {
	var listen string
	var t tlsFiles
	err := parse(RoleUpstream, args, func(fs *flag.FlagSet) {
		fs.StringVar(&listen, "listen", "127.0.0.1:0", "address")
		t.declare(fs)
	})
	if err != nil {
		return err
	}
	return serveHTTP(listen, &http.Server{Handler: NewUpstream(), HTTP2: &likeAPIServer}, t, p)
}

// likeAPIServer are the settings of HTTP/2 that every kube-apiserver has.
var likeAPIServer = http.HTTP2Config{
	MaxConcurrentStreams:          100,
	MaxReadFrameSize:              256 << 10,
	MaxReceiveBufferPerStream:     256 << 10,
	MaxReceiveBufferPerConnection: 100 * 256 << 10,
}

// tlsFiles make a part speak HTTPS, and HTTP/2 in it, if they are given.
type tlsFiles struct{ cert, key string }

func (t *tlsFiles) declare(fs *flag.FlagSet) {
	fs.StringVar(&t.cert, "tls-cert", "", "file")
	fs.StringVar(&t.key, "tls-key", "", "file")
}

// serveHTTP serves until the standard input ends, then drops running requests.
func serveHTTP(listen string, s *http.Server, t tlsFiles, p IO) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	s.ReadHeaderTimeout = time.Minute
	s.ErrorLog = log.New(io.Discard, "", 0) // streams that the load generator cuts
	served := make(chan error, 1)
	go func() {
		if t.cert != "" {
			served <- s.ServeTLS(l, t.cert, t.key)
		} else {
			served <- s.Serve(l)
		}
	}()
	if err = p.ready(l.Addr().String()); err == nil {
		err = p.wait()
	}
	_ = s.Close()
	if why := <-served; !errors.Is(why, http.ErrServerClosed) {
		err = errors.Join(err, why)
	}
	return err
}
