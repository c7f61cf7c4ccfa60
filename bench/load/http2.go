package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// http2 is one stream of HTTP/2 after the other. All of one target share a connection, as the
// requests of a program with client-go do, unless the server allows fewer streams.
type http2 struct {
	transport *http.Transport
	ctx       context.Context // of all requests; its cause says why they end
	cancel    context.CancelCauseFunc
	late      *time.Timer // nil without a deadline

	request *request // which made is for
	made    *http.Request
	body    io.ReadCloser // of the answer under way
}

func newHTTP2(t *http.Transport) *http2 {
	k := &http2{transport: t}
	k.ctx, k.cancel = context.WithCancelCause(context.Background())
	return k
}

// newTransport returns a transport that speaks HTTP/2 over TLS and nothing else, with the
// defaults of net/http, which are those of client-go too.
func newTransport(caFile string) (*http.Transport, error) {
	trust, err := Trust(caFile)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{TLSClientConfig: trust, Protocols: new(http.Protocols), DisableCompression: true, IdleConnTimeout: time.Minute}
	t.Protocols.SetHTTP2(true)
	return t, nil
}

// Trust returns the configuration of a client that trusts the CA in a file.
func Trust(caFile string) (*tls.Config, error) {
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("ca: no certificate in %s", caFile)
	}
	return &tls.Config{RootCAs: roots}, nil
}

func (k *http2) send(r *request) (err error) {
	if k.request != r {
		if k.made, err = http.NewRequestWithContext(k.ctx, r.method, r.url, nil); err != nil {
			return err
		}
		k.request, k.made.Header = r, r.header
	}
	if r.length >= 0 {
		k.made.ContentLength, k.made.Body = r.length, io.NopCloser(io.LimitReader(zeroReader{}, r.length))
	}
	answer, err := k.transport.RoundTrip(k.made)
	if err != nil {
		return k.why(err)
	}
	k.body = answer.Body
	if answer.StatusCode != http.StatusOK {
		text := make([]byte, 300)
		n, _ := io.ReadFull(k.body, text)
		return fmt.Errorf("answer %q: %s", answer.Status, bytes.TrimSpace(text[:n]))
	}
	return nil
}

// why is the reason for which this side ended a request, or else err.
func (k *http2) why(err error) error {
	if k.ctx.Err() != nil {
		return context.Cause(k.ctx)
	}
	return err
}

func (k *http2) Read(p []byte) (int, error) {
	if k.body == nil {
		return 0, io.EOF
	}
	n, err := k.body.Read(p)
	if err == nil {
		return n, nil
	}
	_ = k.body.Close()
	if errors.Is(err, io.EOF) {
		k.body = nil
		return n, io.EOF
	}
	return n, k.why(err)
}

func (k *http2) SetDeadline(t time.Time) error {
	if k.late != nil {
		k.late.Stop()
	}
	k.late = time.AfterFunc(time.Until(t), func() { k.cancel(os.ErrDeadlineExceeded) })
	return nil
}

func (k *http2) reusable() bool { return k.body == nil && k.ctx.Err() == nil }

func (k *http2) park() { k.late.Stop() }

// Close resets the stream. The connection is the transport's.
func (k *http2) Close() error {
	k.cancel(net.ErrClosed)
	return nil
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
