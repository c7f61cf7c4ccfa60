package tenant

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

func (c *Conn) onUp() {
	c.upSince = time.Now()
	if c.redialer != nil {
		c.upAt = c.redialer.Server()
	}
	if c.status.change(func(st *state) {
		st.up, st.refusal, st.failure = true, nil, nil
		c.dir.Link(true)
	}) {
		c.failures.forget()
		c.log.Info("connected to the broker")
	}
}

// onDown gets the reason why the connection was lost, nil if the bridge itself
// renews it.
func (c *Conn) onDown(err error) {
	var why *cause.Failure
	if err != nil {
		lost := c.judge(err)
		lost.Tried = "stay connected to the broker for the tenant"
		why = reach.CutRegularly(&c.cuts, lost, time.Since(c.upSince)).ForBridge()
	}
	if c.status.change(func(st *state) {
		st.up = false
		if why != nil {
			st.failure = why
		}
		c.dir.Link(false)
	}) && why != nil {
		c.cfg.OnFailure(why)
		c.event(slog.LevelWarn, "connection to the broker lost", why, at(c.upAt)...)
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
	why := c.judge(err)
	if isRefusal(why) {
		c.refused(why)
		return
	}
	if !c.status.change(func(st *state) { st.failure = why }) {
		return
	}
	c.cfg.OnFailure(why)
	server := ""
	if failed, ok := errors.AsType[*reach.AttemptError](err); ok {
		server = failed.Server
	}
	if c.failures.first(server+string(why.Hop)+string(why.Cause), time.Now()) {
		c.event(slog.LevelWarn, "no connection to the broker; the bridge keeps trying", why, at(server)...)
	}
}

// refused notes that the broker refuses the bridge for the tenant.
func (c *Conn) refused(why *cause.Failure) {
	first := false
	if !c.status.change(func(st *state) {
		first, st.refusal = st.refusal == nil, why
		c.dir.Refused()
	}) {
		return
	}
	c.cfg.OnFailure(why)
	if first {
		c.event(slog.LevelError, "the broker refuses the bridge for this tenant; the bridge keeps trying", why, slog.String("account", c.account))
	}
}

// at is the attribute that names a server, none for "".
func at(server string) []slog.Attr {
	if server == "" {
		return nil
	}
	return []slog.Attr{slog.String("server", server)}
}

// event logs a failure with all that is known of it.
func (c *Conn) event(level slog.Level, message string, f *cause.Failure, args ...slog.Attr) {
	c.log.LogAttrs(context.Background(), level, message, append(args, f.LogValue().Group()...)...)
}
