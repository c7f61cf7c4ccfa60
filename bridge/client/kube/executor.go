package kube

import (
	"fmt"
	"net/http"
	"net/url"

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
// that of the request, with its query, as of a client of [LastingConfig].
func Executor(d *reconnect.Dialer, u *url.URL) (remotecommand.Executor, error) {
	// SPDY, because client-go's WebSockets cannot be given a connection.
	upgrader, err := spdy.NewRoundTripperWithConfig(spdy.RoundTripperConfig{
		UpgradeTransport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true},
	})
	if err != nil {
		return nil, fmt.Errorf("executor: %w", err)
	}
	return remotecommand.NewSPDYExecutorForTransports(agent{upgrader, d.Client}, upgrader, http.MethodPost, u)
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
