package tenant

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/bridge/mint"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
)

// open connects. It waits for an unreachable broker. Any other failure is final for
// this Conn, since another try could not succeed either.
func (c *Conn) open() {
	defer close(c.opened)
	if err := c.connect(); err != nil {
		c.err, c.failedAt = fmt.Errorf("tenant %s: %w", c.tenant, err), time.Now()
		if c.status.change(func(st *state) { st.broken = err }) { // unless close has ended the attempt
			c.log.Error("tenant cannot be connected", "error", err)
		}
	}
}

func (c *Conn) connect() error {
	user, err := nkeys.CreateUser()
	if err != nil {
		return fmt.Errorf("make user key: %w", err)
	}
	public, err := user.PublicKey()
	if err != nil {
		return fmt.Errorf("make user key: %w", err)
	}
	c.nc, err = natslink.Connect(c.connecting, natslink.ConnectOptions{
		Name:      "fairlead-bridge " + c.cfg.ID,
		Servers:   c.cfg.Servers,
		TLS:       c.cfg.TLS,
		RootCAs:   c.cfg.RootCAs,
		InProcess: c.cfg.InProcess,
		UserJWT:   func() (string, error) { return c.mint(public) },
		SignNonce: user.Sign,
		OnUp:      c.onUp,
		OnDown:    c.onDown,
		OnError:   c.onError,
		Logger:    c.log,
	})
	if err != nil {
		return err
	}
	c.link, err = natslink.NewBridge(c.nc, natslink.BridgeConfig{
		ID: c.cfg.ID, Stream: c.cfg.Stream, OnPresence: c.dir.Presence, OnAbsent: c.dir.Absent, Logger: c.log,
	})
	if err != nil {
		c.nc.Close()
	}
	return err
}

func (c *Conn) onUp() {
	if c.status.change(func(st *state) {
		st.up, st.refusal, st.failure = true, nil, nil
		c.dir.Link(true)
	}) {
		c.log.Info("connected to the broker")
	}
}

// onDown gets the reason why the connection was lost, nil if the bridge itself
// renews it.
func (c *Conn) onDown(err error) {
	if c.status.change(func(st *state) {
		st.up = false
		c.dir.Link(false)
	}) && err != nil {
		c.event(slog.LevelWarn, "connection to the broker lost", judge(err))
	}
}

// onError is notified of failed attempts to connect, and of errors that do not end
// the connection.
func (c *Conn) onError(err error) {
	if errors.Is(err, nats.ErrPermissionViolation) {
		// The broker sends an error for each message that it does not allow, so
		// one request may cause many.
		if ok, suppressed := c.violations.allow(time.Now()); ok {
			c.log.Warn("the broker does not allow a message of the bridge; more are not logged for a minute",
				"error", err, "suppressed", suppressed)
		}
		return
	}
	why := judge(err)
	if !isRefusal(why) {
		again := false
		c.status.change(func(st *state) { again, st.failure = sameFailure(st.failure, why), why })
		if ok, _ := c.failures.allow(time.Now()); ok || !again {
			c.event(slog.LevelWarn, "no connection to the broker; the bridge keeps trying", why)
		}
		return
	}
	first := false
	c.status.change(func(st *state) {
		first, st.refusal = st.refusal == nil, why
		c.dir.Refused()
	})
	if first {
		c.event(slog.LevelError, "the broker refuses the bridge for this tenant; the bridge keeps trying", why, slog.String("account", c.account))
	}
}

// sameFailure reports whether an attempt failed as the one before it.
func sameFailure(before error, now *cause.Failure) bool {
	f := cause.Of(before)
	return f != nil && f.Hop == now.Hop && f.Cause == now.Cause
}

// mint makes a user JWT with the permissions of the account's role bridge.
func (c *Conn) mint(user string) (string, error) {
	now := time.Now()
	token, err := mint.Role{Key: c.cfg.Key, Account: c.account}.User(c.cfg.ID, user, now.Add(c.cfg.UserTTL))
	if err != nil {
		return "", err
	}
	c.minted.Store(now.Unix())
	return token, nil
}

// due reports whether the user must be renewed: five eighths of its time are over.
func (c *Conn) due(now time.Time, ttl time.Duration) bool {
	minted := c.minted.Load()
	return minted != 0 && now.Sub(time.Unix(minted, 0)) >= ttl*5/8
}

// renew reconnects, which mints a new user. Streams survive it.
func (c *Conn) renew() {
	if !c.isOpen() || !c.nc.IsConnected() {
		return // a new user is minted when it connects
	}
	if err := c.nc.ForceReconnect(); err != nil {
		c.log.Warn("user not renewed", "error", err)
	}
}

// retire marks the connection as no longer in use, because of cause. It stops
// feeding the directory. It is called before close.
func (c *Conn) retire(cause error) {
	c.status.change(func(st *state) {
		st.retired, st.up = cause, false
		c.dir.LinkClosed()
	})
}

// close ends all streams and the connection. It does not wait for a broker that does
// not respond.
func (c *Conn) close() {
	c.abort()
	<-c.opened
	if c.err != nil {
		return
	}
	if st, _ := c.status.get(); st.retired != ErrClosed {
		c.link.ResetStreams("", subjects.CodeShutdown, st.retired.Error())
	}
	_ = c.link.Close()
	c.nc.Close()
	c.asked.Wait()
}
