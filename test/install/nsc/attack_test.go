package nsc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness"
)

// client is a bare connection with an agent's credentials.
type client struct {
	*nats.Conn
	expires time.Time

	mu      sync.Mutex // guards the rest
	refused []string
	heard   []string
	closed  time.Time
	why     error
}

func (w *world) connect(t *testing.T, tenant, cluster string) *client {
	t.Helper()
	file := w.place.creds(tenant, cluster)
	creds, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.ParseDecoratedJWT(creds)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{}
	if claims.Expires != 0 {
		c.expires = time.Unix(claims.Expires, 0)
	}
	c.Conn, err = nats.Connect("tls://"+w.brokers[1].address, nats.UserCredentialBytes(creds), nats.RootCAs(w.ca()), nats.NoReconnect(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if errors.Is(err, nats.ErrPermissionViolation) {
				c.refused = append(c.refused, err.Error())
			}
			c.why = err
		}),
		nats.ClosedHandler(func(*nats.Conn) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.closed = time.Now()
		}))
	if err != nil {
		t.Fatalf("connect as %s.%s: %v", cluster, tenant, err)
	}
	t.Cleanup(c.Close)
	return c
}

func (w *world) awaitCut(t *testing.T, c *client) {
	t.Helper()
	began := time.Now()
	w.until(t, "a connection to be cut", func() error {
		if !c.IsClosed() {
			return errors.New("it is open")
		}
		return nil
	})
	if took := time.Since(began); took > cutWithin {
		t.Errorf("a revoked user was cut only after %s", took)
	}
}

// expired waits until a user's credentials expire. It returns an error if the
// user was cut off for another reason.
func (w *world) expired(t *testing.T, c *client) error {
	t.Helper()
	if err := harness.Until(t.Context(), "a user to expire", time.Until(c.expires)+patience, nil, func(context.Context) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.closed.IsZero() { // IsClosed may say so before the handlers have been called
			return errors.New("it is connected")
		}
		return nil
	}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Logf("a user was cut %s after its time: %v", c.closed.Sub(c.expires).Round(time.Millisecond), c.why)
	if !errors.Is(c.why, nats.ErrAuthExpired) || c.closed.Before(c.expires.Add(-time.Second)) || c.closed.After(c.expires.Add(cutWithin)) {
		return fmt.Errorf("a user that expires at %s was cut at %s: %w", c.expires, c.closed, c.why)
	}
	return nil
}

// attack tries what a compromised agent could do: receive or send messages of
// another cluster, of the bridges, or of NATS itself.
func (w *world) attack(t *testing.T, tenant, cluster string) {
	t.Helper()
	c := w.connect(t, tenant, cluster)
	listen := []string{
		">", "*", "*.>", "down.>", "up.>", "down.*.*.*", "$SYS.>", "$JS.>", "_INBOX.>", "_INBOX.x",
		subjects.AgentFrames("prod", "a1"), subjects.AgentQueries("prod"), subjects.BridgeFrames("b1"), subjects.BridgePresence(),
	}
	speak := []string{
		subjects.Down("prod", "a1", "b1"), subjects.Down(cluster, "a1", "b1"), subjects.Up("b1", "prod", "a1"), subjects.UpAll("prod", "a1"),
		subjects.NoResponders("b1", cluster, "a1", 1), "$SYS.REQ.SERVER.PING", "$SYS.REQ.CLAIMS.UPDATE", "$JS.API.INFO", "_INBOX.x",
	}
	for _, s := range listen {
		if _, err := c.Subscribe(s, func(m *nats.Msg) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.heard = append(c.heard, m.Subject)
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range speak {
		if err := c.Publish(s, []byte("forged")); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	w.until(t, "everything to be refused", func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, s := range slices.Concat(listen, speak) {
			if !slices.ContainsFunc(c.refused, func(r string) bool { return strings.Contains(r, `"`+s+`"`) }) {
				return fmt.Errorf("%q was not refused", s)
			}
		}
		return nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.heard) > 0 {
		t.Errorf("cluster %s of %s heard %q", cluster, tenant, c.heard)
	}
	c.Close()
}
