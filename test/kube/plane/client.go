package plane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/test/kube/pki"
)

// Client calls the components' endpoints as the administrator.
type Client struct {
	server string
	http   *http.Client
}

// NewClient returns a client that trusts only ca and presents user.
func NewClient(server string, ca []byte, user pki.Pair) (*Client, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("make client: no certificate in the CA")
	}
	cert, err := tls.X509KeyPair(user.Cert, user.Key)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &Client{server: server, http: &http.Client{
		Timeout: 10 * time.Second, // these requests are small
		Transport: &http.Transport{
			Proxy:           nil, // components are on loopback, whatever the environment says
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}},
		},
	}}, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Healthy is nil if the URL, of any component, answers 200.
func (c *Client) Healthy(ctx context.Context, url string) error {
	_, err := c.get(ctx, url)
	return err
}

// Get reads an object of the API into v. With a nil v it only checks that the object
// exists.
func (c *Client) Get(ctx context.Context, path string, v any) error {
	body, err := c.get(ctx, c.server+path)
	if err != nil || v == nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	return nil
}

// Create makes an object of the API, given as YAML, in the collection at path.
func (c *Client) Create(ctx context.Context, path, object string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server+path, strings.NewReader(object))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/yaml")
	_, err = c.do(req, http.StatusCreated)
	return err
}

func (c *Client) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return c.do(req, http.StatusOK)
}

// do returns the body of an answer with the wanted status.
func (c *Client) do(req *http.Request, want int) ([]byte, error) {
	what := strings.ToLower(req.Method) + " " + req.URL.String()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if resp.StatusCode != want {
		return nil, fmt.Errorf("%s: %s: %.300s", what, resp.Status, body)
	}
	return body, nil
}
