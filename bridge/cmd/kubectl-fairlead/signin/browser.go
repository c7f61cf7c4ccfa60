package signin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// browserTimeout bounds a login with the browser: time for a password and a second
// factor.
const browserTimeout = 10 * time.Minute

// Browser says how the browser is opened.
type Browser struct {
	// Port is the port of the redirect URI, for issuers that compare it although
	// RFC 8252 forbids that; 0: a free one.
	Port int
	// Open opens a URL; nil: the user has to.
	Open func(url string) error
	Tell io.Writer // messages for the user
}

// Browser logs in with the authorization code flow. It waits for the browser for at
// most ten minutes.
func (c *Client) Browser(ctx context.Context, b Browser) (*Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, browserTimeout)
	defer cancel()
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(b.Port)))
	if err != nil {
		return nil, fmt.Errorf("wait for the browser: %w", err)
	}
	config := c.config
	config.RedirectURL = "http://" + listener.Addr().String() + callbackPath
	state, nonce, verifier := oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	wait := newCallback(state, c.issuer)
	stop := serve(listener, wait)
	defer stop()

	url := config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	if b.Open == nil || b.Open(url) != nil {
		fmt.Fprintf(b.Tell, "Open this URL in a browser on this computer (or use --device):\n\n  %s\n\n", url)
	} else {
		fmt.Fprintf(b.Tell, "Your browser opens. If it does not, open this URL:\n\n  %s\n\n", url)
	}
	code, err := wait.code(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("log in: no answer from the browser within %s", browserTimeout)
	}
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	token, err := config.Exchange(c.context(ctx), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, fault("exchange the code", err)
	}
	return c.verified(ctx, token, nonce)
}

// serve answers on the listener until stop, which lets the last answer out.
func serve(l net.Listener, h http.Handler) (stop func()) {
	s := &http.Server{
		Handler: h, ErrorLog: log.New(io.Discard, "", 0),
		ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l)
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		_ = s.Close()
		<-served
	}
}
