package signin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// requestTimeout bounds each request to the issuer: people wait for it.
const requestTimeout = 20 * time.Second

// defaultScopes are asked for where the issuer says that it has them: an issuer may
// refuse a login for one that it does not know.
var defaultScopes = []string{"profile", "email", "groups", oidc.ScopeOfflineAccess}

// Config says where to log in.
type Config struct {
	Issuer   string // https
	ClientID string
	Secret   string // of the client; "": it is a public one
	Scopes   []string
	CAFile   string // whom to trust besides the system's CAs; "": nobody
}

// Tokens are what a login or a refresh gave.
type Tokens struct {
	IDToken      string
	RefreshToken string // "": the issuer gave none
	Subject      string
	Expires      time.Time // of IDToken
}

// Client talks to one issuer. [Client.Close] must be called.
type Client struct {
	config     oauth2.Config
	issuer     string
	verifier   *oidc.IDTokenVerifier
	http       *http.Client
	revocation string // endpoint; "": none
}

// Discover reads the issuer's discovery document.
func Discover(ctx context.Context, c Config) (*Client, error) {
	if err := secure("the issuer", c.Issuer); err != nil {
		return nil, err
	}
	h, err := HTTPClient(c.CAFile, requestTimeout)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	client := &Client{issuer: c.Issuer, http: h}
	provider, err := oidc.NewProvider(client.context(ctx), c.Issuer)
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("issuer %s: %w", c.Issuer, NameCA(err, "log in with --ca FILE"))
	}
	var more struct {
		Revocation string   `json:"revocation_endpoint"`
		Scopes     []string `json:"scopes_supported"`
		Methods    []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := provider.Claims(&more); err != nil {
		client.Close()
		return nil, fmt.Errorf("issuer %s: discovery document: %w", c.Issuer, err)
	}
	endpoint := provider.Endpoint()
	for what, u := range map[string]string{
		"authorization_endpoint": endpoint.AuthURL, "token_endpoint": endpoint.TokenURL,
		"device_authorization_endpoint": endpoint.DeviceAuthURL, "revocation_endpoint": more.Revocation,
	} {
		if err := secure(what+" of the issuer", u); u != "" && err != nil {
			client.Close()
			return nil, err
		}
	}
	if endpoint.AuthStyle, err = authStyle(c.Secret, more.Methods); err != nil {
		client.Close()
		return nil, fmt.Errorf("issuer %s: %w", c.Issuer, err)
	}
	client.revocation = more.Revocation
	client.verifier = provider.Verifier(&oidc.Config{ClientID: c.ClientID})
	client.config = oauth2.Config{ClientID: c.ClientID, ClientSecret: c.Secret, Endpoint: endpoint, Scopes: scopes(c.Scopes, more.Scopes)}
	return client, nil
}

// scopes are those that the user wants, or the default ones that the issuer has.
func scopes(wanted, supported []string) []string {
	all := []string{oidc.ScopeOpenID}
	if len(wanted) == 0 {
		wanted = slices.DeleteFunc(slices.Clone(defaultScopes), func(s string) bool { return !slices.Contains(supported, s) })
	}
	for _, s := range wanted {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// Close ends the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) context(ctx context.Context) context.Context { return oidc.ClientContext(ctx, c.http) }

// secure refuses URLs that are not https: what is sent there are credentials, and
// the browser would open any scheme.
func secure(what, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%s is %q, want an https URL", what, raw)
	}
	return nil
}

// HTTPClient makes a client that trusts the CAs of a file besides the system's. It
// obeys HTTPS_PROXY and follows no redirects, which could lead a credential astray.
func HTTPClient(caFile string, timeout time.Duration) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("CA certificates: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA certificates: %s has no certificate in PEM", caFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{
		Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// verified returns the tokens of an answer of the token endpoint if its ID token is
// good. nonce is "" where the flow has none.
func (c *Client) verified(ctx context.Context, t *oauth2.Token, nonce string) (*Tokens, error) {
	raw, ok := t.Extra("id_token").(string)
	if !ok || raw == "" {
		return nil, errors.New("the issuer gave no ID token; is this client allowed the scope openid?")
	}
	id, err := c.verifier.Verify(c.context(ctx), raw)
	var expired *oidc.TokenExpiredError
	if errors.As(err, &expired) {
		return nil, fmt.Errorf("the issuer gave an ID token that expired at %s; this computer's clock says %s",
			expired.Expiry.UTC().Format(time.RFC3339), time.Now().UTC().Format(time.RFC3339))
	}
	if err != nil {
		return nil, fmt.Errorf("the issuer gave an ID token that is not valid: %w", err)
	}
	if id.Nonce != nonce && nonce != "" {
		return nil, errors.New("the issuer gave an ID token of another login (its nonce differs)")
	}
	return &Tokens{IDToken: raw, RefreshToken: t.RefreshToken, Subject: id.Subject, Expires: id.Expiry}, nil
}
