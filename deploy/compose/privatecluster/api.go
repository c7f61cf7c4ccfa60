package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// api is a client for the few requests that we make to the API server.
type api struct {
	url    string
	client *http.Client
}

func newAPI(url string, ids *identities) (*api, error) {
	cert, err := tls.X509KeyPair(ids.admin.cert, ids.admin.key)
	if err != nil {
		return nil, fmt.Errorf("administrator: %w", err)
	}
	return dial(url, ids.authority.cert, cert)
}

// newAnonymousAPI returns a client that may only ask for the server's health.
func newAnonymousAPI(url string, ca []byte) (*api, error) { return dial(url, ca) }

func dial(url string, ca []byte, certs ...tls.Certificate) (*api, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("certificate authority: no certificate in it")
	}
	return &api{url: url, client: &http.Client{
		Timeout: 10 * time.Second, // these requests are small
		Transport: &http.Transport{
			Proxy:           nil, // the server is on loopback, whatever the environment says
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certs, MinVersion: tls.VersionTLS12},
		},
	}}, nil
}

func (a *api) close() { a.client.CloseIdleConnections() }

func (a *api) healthy(ctx context.Context) error {
	_, status, err := a.call(ctx, http.MethodGet, "/readyz", "", nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("API server: status %d", status)
	}
	return err
}

// apply makes the object at path+"/"+name, or changes it to be as given.
func (a *api) apply(ctx context.Context, path, name string, object any) error {
	answer, status, err := a.call(ctx, http.MethodPatch, path+"/"+name+"?fieldManager=privatecluster&force=true",
		"application/apply-patch+yaml", object)
	if err == nil && status != http.StatusOK && status != http.StatusCreated {
		err = fmt.Errorf("status %d: %.300s", status, answer)
	}
	if err != nil {
		return fmt.Errorf("apply %s/%s: %w", path, name, err)
	}
	return nil
}

// call sends an object as JSON, of which YAML is a superset.
func (a *api) call(ctx context.Context, method, path, contentType string, object any) (answer []byte, status int, err error) {
	var body []byte
	if object != nil {
		if body, err = json.Marshal(object); err != nil {
			return nil, 0, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return answer, resp.StatusCode, err
}
