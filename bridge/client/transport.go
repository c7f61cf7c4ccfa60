package client

import (
	"net/http"
	"net/url"
	"strings"
)

// Transport carries requests to the API server of a cluster: the path and query of a URL
// are those at the API server, and its scheme and host are ignored. It adds the token,
// sends nothing again, and knows nothing of Kubernetes:
//
//	h := http.Client{Transport: c.Transport("prod.acme")}
//	res, err := h.Get("https://kubernetes/api/v1/nodes")
//
// The bridge's own answers have header Fairlead-Error. For client-go see package kube.
func (c *Client) Transport(cluster string) http.RoundTripper {
	return &clusterTransport{client: c, cluster: cluster}
}

type clusterTransport struct {
	client  *Client
	cluster string
}

// RoundTrip implements [http.RoundTripper].
func (t *clusterTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	u, err := url.Parse(t.client.ClusterURL(t.cluster) + "/" + strings.TrimPrefix(req.URL.EscapedPath(), "/"))
	if err != nil {
		closeBody(req)
		return nil, err
	}
	u.RawQuery, u.ForceQuery = req.URL.RawQuery, req.URL.ForceQuery
	sent := req.Clone(req.Context())
	sent.URL, sent.Host = u, ""
	return t.client.carry(sent)
}

// CloseIdleConnections closes those of the client.
func (t *clusterTransport) CloseIdleConnections() { t.client.CloseIdleConnections() }

// Authorize wraps a transport so that requests to the bridge have the client's token, and
// User-Agent if they have none. A request to anywhere else is refused, so that the token
// cannot get there.
func (c *Client) Authorize(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		sent := req.Clone(req.Context())
		if err := c.prepare(sent); err != nil {
			closeBody(req)
			return nil, err
		}
		return next.RoundTrip(sent)
	})
}

// carry sends a request of the caller's own, which it may change.
func (c *Client) carry(req *http.Request) (*http.Response, error) {
	if err := c.prepare(req); err != nil {
		closeBody(req)
		return nil, err
	}
	return c.bridge.HTTP.Transport.RoundTrip(req)
}

func (c *Client) prepare(req *http.Request) error {
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", c.bridge.UserAgent)
	}
	return c.authorize(req)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
