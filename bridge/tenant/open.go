package tenant

import (
	"fmt"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/bridge/mint"
	"github.com/fairlead-io/fairlead/subjects"
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
	o := natslink.ConnectOptions{
		Name:      "fairlead-bridge " + c.cfg.ID,
		InProcess: c.cfg.InProcess,
		UserJWT:   func() (string, error) { return c.mint(public) },
		SignNonce: user.Sign,
		OnUp:      c.onUp,
		OnDown:    c.onDown,
		OnError:   c.onError,
		Logger:    c.log,
	}
	if c.redialer != nil {
		o.Dialer = c.redialer
	}
	c.nc, err = natslink.Connect(c.connecting, o)
	if err != nil {
		return err
	}
	c.link, err = natslink.NewBridge(c.nc, natslink.BridgeConfig{
		ID: c.cfg.ID, Stream: c.cfg.Stream, OnPresence: c.dir.Presence, OnAbsent: c.dir.Absent, OnAnswer: c.dir.Answered, Logger: c.log,
	})
	if err != nil {
		c.nc.Close()
	}
	return err
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
	if c.status.change(func(st *state) {
		st.retired, st.up = cause, false
		c.dir.LinkClosed()
	}) {
		close(c.retired)
	}
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
