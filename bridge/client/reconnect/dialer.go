package reconnect

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/connection/resume"
)

const (
	// pingEvery is how often an attachment is tried. After silence without an answer it
	// counts as lost.
	pingEvery = 5 * time.Second
	silence   = 12 * time.Second
	// attachTimeout bounds one attempt to attach.
	attachTimeout = 15 * time.Second
)

// Dialer makes connections to the API server of one cluster. It is safe for concurrent use.
type Dialer struct {
	Client  *client.Client
	Cluster string
	// Lost is called when an attachment was lost, with the reason, and Back when there
	// is another one. They are called by goroutines of the connections, one at a time for
	// each; nil: nothing is.
	Lost func(err error)
	Back func(lasted time.Duration)
}

// URL is that of the API server for clients that dial by d. Within a connection HTTP is
// plain, as all of it is within the TLS of the bridge.
func (d *Dialer) URL() string {
	u, err := url.Parse(d.Client.ClusterURL(d.Cluster))
	if err != nil {
		return ""
	}
	u.Scheme = "http"
	return u.String()
}

// DialContext makes a connection. ctx bounds this, and not the connection. The address does
// not count: the bridge and cluster are those of d. A refusal of the bridge is a
// [client.Error].
func (d *Dialer) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	transport, err := d.transport()
	if err != nil {
		return nil, err
	}
	at := remote{bridge: d.Client.URL(), cluster: d.Cluster}
	c := &conn{
		Conn:   resume.New(resume.Config{Ping: pingEvery, Silence: silence, Local: at, Remote: at}),
		dialer: d, http: &http.Client{Transport: transport, CheckRedirect: noRedirect},
		url:   d.Client.URL() + "/v1/clusters/" + url.PathEscape(d.Cluster) + "/connections/" + rand.Text(),
		ended: make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	first, err := c.dial(ctx, true)
	if err != nil {
		c.cancel()
		return nil, err
	}
	go c.keep(first)
	return c, nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// transport is for attachments: each has a connection of its own, so that a load balancer
// chooses again.
func (d *Dialer) transport() (http.RoundTripper, error) {
	o, ok := d.Client.TLS()
	if !ok {
		return nil, errors.New("the client has a transport of its own, which cannot be used for connections")
	}
	config, err := o.Config()
	if err != nil {
		return nil, err
	}
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return d.Client.Authorize(&http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, Protocols: &http1, DisableKeepAlives: true,
		DialContext:         (&net.Dialer{Timeout: attachTimeout}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
	}), nil
}

// attachment is one that has begun.
type attachment struct {
	ws       *websocket.Conn
	received uint64 // of this end's stream, by the bridge
}

// dial attaches to the bridge; fresh makes the connection there.
func (c *conn) dial(ctx context.Context, fresh bool) (*attachment, error) {
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	q := url.Values{"received": {strconv.FormatUint(c.Received(), 10)}}
	if fresh {
		q.Set("new", "true")
	}
	ws, res, err := websocket.Dial(ctx, c.url+"?"+q.Encode(), &websocket.DialOptions{
		HTTPClient: c.http, Subprotocols: []string{resume.Subprotocol},
	})
	switch {
	case err == nil:
	case res != nil && res.StatusCode != http.StatusSwitchingProtocols:
		return nil, client.ResponseError(res)
	default:
		return nil, fmt.Errorf("connect to the bridge: %w", err)
	}
	received, err := strconv.ParseUint(res.Header.Get(resume.ReceivedHeader), 10, 64)
	if err != nil || ws.Subprotocol() != resume.Subprotocol {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("%w: the answer to the handshake is not one of a bridge", resume.ErrProtocol)
	}
	return &attachment{ws: ws, received: received}, nil
}

// remote is the address of both ends.
type remote struct{ bridge, cluster string }

func (remote) Network() string  { return "fairlead" }
func (r remote) String() string { return strings.TrimSuffix(r.bridge, "/") + " " + r.cluster }
