package signin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// Refresh gets a new ID token for the same subject. The refresh token of the result
// replaces the one given. The error is [ErrEnded] if the user has to log in again.
func (c *Client) Refresh(ctx context.Context, refreshToken, subject string) (*Tokens, error) {
	token, err := c.config.TokenSource(c.context(ctx), &oauth2.Token{RefreshToken: refreshToken}).Token()
	var r *oauth2.RetrieveError
	if errors.As(err, &r) && r.ErrorCode == "invalid_grant" {
		return nil, fmt.Errorf("%w (%s)", ErrEnded, refusal(r.ErrorCode, r.ErrorDescription))
	}
	if err != nil {
		return nil, fault("refresh the login", err)
	}
	t, err := c.verified(ctx, token, "")
	if err != nil {
		return nil, fmt.Errorf("refresh the login: %w", err)
	}
	if t.Subject != subject {
		return nil, errors.New("refresh the login: the issuer gave an ID token of somebody else")
	}
	return t, nil
}

// Revoke makes a refresh token useless (RFC 7009), if the issuer can do that.
func (c *Client) Revoke(ctx context.Context, refreshToken string) error {
	if c.revocation == "" || refreshToken == "" {
		return nil
	}
	form := url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {c.config.ClientID}}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	c.present(form, header)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("revoke the refresh token: %w", err)
	}
	r.Header = header
	res, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("revoke the refresh token: %w", err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("revoke the refresh token: the issuer answered %d", res.StatusCode)
	}
	return nil
}
