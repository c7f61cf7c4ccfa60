package signin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// deviceTimeout bounds a login with another device, whatever the issuer says.
	deviceTimeout = 30 * time.Minute
	// maxInterval is the longest time between polls that an issuer may ask for; the
	// library multiplies the number without looking at it.
	maxInterval = 300 // seconds
)

// Device logs in with the device flow: the user enters a code at the issuer's page
// on any device. It polls as the issuer asks, until the code expires.
func (c *Client) Device(ctx context.Context, tell io.Writer) (*Tokens, error) {
	if c.config.Endpoint.DeviceAuthURL == "" {
		return nil, errors.New("this issuer has no device flow: log in without --device")
	}
	ctx, cancel := context.WithTimeout(ctx, deviceTimeout)
	defer cancel()
	verifier := oauth2.GenerateVerifier()
	d, err := c.deviceCode(ctx, verifier)
	if err != nil {
		return nil, fault("ask for a device code", err)
	}
	if d.DeviceCode == "" || d.UserCode == "" || d.VerificationURI == "" {
		return nil, errors.New("ask for a device code: the issuer gave no code, or no page to enter it")
	}
	if d.Interval < 0 || d.Interval > maxInterval {
		return nil, fmt.Errorf("ask for a device code: the issuer wants a poll every %d s, which is not between 0 and %d", d.Interval, maxInterval)
	}
	fmt.Fprintf(tell, "Open %s on any device and enter the code %s\n", Printable(d.VerificationURI), Printable(d.UserCode))
	if d.VerificationURIComplete != "" {
		fmt.Fprintf(tell, "or open %s\n", Printable(d.VerificationURIComplete))
	}
	token, err := c.config.DeviceAccessToken(c.context(ctx), d, oauth2.VerifierOption(verifier))
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, errors.New("log in: the code has expired")
	}
	if err != nil {
		return nil, fault("log in", err)
	}
	return c.verified(ctx, token, "")
}

// deviceCode asks for a code, as the client.
func (c *Client) deviceCode(ctx context.Context, verifier string) (*oauth2.DeviceAuthResponse, error) {
	form, header := url.Values{}, http.Header{}
	c.present(form, header)
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	for name, values := range form {
		options = append(options, oauth2.SetAuthURLParam(name, values[0]))
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	// The library does not close the body, with which a client's own time-out would end.
	h := *c.http
	h.Timeout, h.Transport = 0, &presenting{ctx: ctx, header: header, next: h.Transport}
	return c.config.DeviceAuth(oidc.ClientContext(ctx, &h), options...)
}
