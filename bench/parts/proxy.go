package parts

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

// proxyIdleConns is above the highest number of concurrent requests measured:
// with net/http's default of 2 the proxy would mostly dial.
const proxyIdleConns = 512

// NewProxy returns the yardstick: one hop of the standard library's reverse proxy,
// with the two settings that such proxies usually get.
func NewProxy(to *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &http.Transport{MaxIdleConnsPerHost: proxyIdleConns, DisableCompression: true},
		// Without a pool each answer costs 32 KB of garbage.
		BufferPool: &buffers{},
		ErrorLog:   log.New(io.Discard, "", 0), // streams that the load generator cuts
	}
}

// buffers implements [httputil.BufferPool].
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

func runProxy(_ context.Context, args []string, p IO) error {
	var upstream string
	err := parse(RoleProxy, args, func(fs *flag.FlagSet) {
		fs.StringVar(&upstream, "upstream", "", "base URL")
	})
	if err != nil {
		return err
	}
	to, err := url.Parse(upstream)
	if err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	return serveHTTP("127.0.0.1:0", NewProxy(to), p)
}
