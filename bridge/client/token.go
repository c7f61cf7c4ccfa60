package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// TokenSource gives the bearer token of a request. It is called by many goroutines.
type TokenSource interface {
	// Token returns a token, or why there is none. An error ends the request.
	Token(ctx context.Context) (string, error)
}

// TokenFunc is a function as a [TokenSource].
type TokenFunc func(ctx context.Context) (string, error)

// Token implements [TokenSource].
func (f TokenFunc) Token(ctx context.Context) (string, error) { return f(ctx) }

// Token is always the same token.
func Token(token string) TokenSource {
	return TokenFunc(func(context.Context) (string, error) { return token, nil })
}

// TokenFile reads the token from a file, for each request, so that a token that is
// renewed there is used at once. White space around it is ignored.
func TokenFile(path string) TokenSource {
	return TokenFunc(func(context.Context) (string, error) {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		return strings.TrimSpace(string(text)), nil
	})
}

// authorize sets header Authorization of a request to the bridge.
func (c *Client) authorize(req *http.Request) error {
	if c.token == nil {
		return nil
	}
	if req.URL.Scheme != c.bridge.Base.Scheme || req.URL.Host != c.bridge.Base.Host {
		return fmt.Errorf("the token is for %s, not for %s", c.bridge.Base.Host, req.URL.Host)
	}
	token, err := c.token.Token(req.Context())
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return errors.New("token: it is empty, or has white space in it")
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}
