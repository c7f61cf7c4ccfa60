package parts

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"

	"github.com/fairlead-io/fairlead/bench/load"
)

// proxyIdleConns is above the highest number of concurrent requests measured:
// with net/http's default of 2 the proxy would mostly dial.
const proxyIdleConns = 512

// NewProxy returns the yardstick: one hop of the standard library's reverse proxy,
// with the two settings that such proxies usually get. trust is for an upstream that
// speaks HTTPS, to which it speaks HTTP/2 then if it can.
func NewProxy(to *url.URL, trust *tls.Config) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &http.Transport{
			MaxIdleConnsPerHost: proxyIdleConns, DisableCompression: true, TLSClientConfig: trust, ForceAttemptHTTP2: true,
		},
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
	var upstream, ca string
	var t tlsFiles
	err := parse(RoleProxy, args, func(fs *flag.FlagSet) {
		fs.StringVar(&upstream, "upstream", "", "base URL")
		fs.StringVar(&ca, "ca", "", "file of the upstream's CA")
		t.declare(fs)
	})
	if err != nil {
		return err
	}
	to, err := url.Parse(upstream)
	if err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	var trust *tls.Config
	if ca != "" {
		if trust, err = load.Trust(ca); err != nil {
			return err
		}
	}
	return serveHTTP("127.0.0.1:0", &http.Server{Handler: NewProxy(to, trust)}, t, p)
}
