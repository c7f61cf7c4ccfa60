package kube

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"

	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/client/reconnect"
)

// LastingConfig is [RESTConfig] with connections that outlive the client's network (see
// package reconnect): a watch or a followed log goes on where it was. Exec and attach need
// [Executor]. d may have functions that are told of losses.
func LastingConfig(d *reconnect.Dialer) *rest.Config {
	return &rest.Config{Host: d.URL(), UserAgent: d.Client.UserAgent(), Dial: d.DialContext}
}

// Executor runs exec and attach over a connection that outlives the client's network. u is
// that of the request, with its query, as of a client of [LastingConfig]. A refusal of the
// bridge to make the connection is a [client.Error].
func Executor(d *reconnect.Dialer, u *url.URL) (remotecommand.Executor, error) {
	e := &executor{dial: d.DialContext}
	// SPDY, because client-go's WebSockets cannot be given a connection.
	upgrader, err := spdy.NewRoundTripperWithConfig(spdy.RoundTripperConfig{
		UpgradeTransport: &http.Transport{DialContext: e.dialContext, DisableKeepAlives: true},
	})
	if err != nil {
		return nil, fmt.Errorf("executor: %w", err)
	}
	if e.Executor, err = remotecommand.NewSPDYExecutorForTransports(agent{upgrader, d.Client}, upgrader, http.MethodPost, u); err != nil {
		return nil, fmt.Errorf("executor: %w", err)
	}
	return e, nil
}

// executor keeps why there is no connection, of which client-go makes a text.
type executor struct {
	remotecommand.Executor
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	failed error
}

// dialContext makes a connection that ends with ctx: client-go waits for the answer to the
// request without looking at it.
func (e *executor) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := e.dial(ctx, network, address)
	if err == nil {
		context.AfterFunc(ctx, func() { _ = c.Close() })
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed = err
	return c, err
}

// Stream implements [remotecommand.Executor].
func (e *executor) Stream(o remotecommand.StreamOptions) error {
	return e.StreamWithContext(context.Background(), o)
}

// StreamWithContext implements [remotecommand.Executor].
func (e *executor) StreamWithContext(ctx context.Context, o remotecommand.StreamOptions) error {
	whole, end := context.WithCancel(ctx)
	defer end()
	err := e.Executor.StreamWithContext(whole, o)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err != nil && e.failed != nil:
		return e.failed
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// agent sends the client's User-Agent.
type agent struct {
	next   http.RoundTripper
	client *client.Client
}

// RoundTrip implements [http.RoundTripper].
func (a agent) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := req.Clone(req.Context())
	sent.Header.Set("User-Agent", a.client.UserAgent())
	return a.next.RoundTrip(sent)
}
