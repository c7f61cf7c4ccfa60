package link

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
	"github.com/fairlead-io/fairlead/subjects/natslink/reach"
)

const (
	// credsEvery is how often the credentials file is checked for a change, which
	// costs one system call. Kubernetes takes up to a minute to bring a changed
	// Secret into a pod.
	credsEvery = time.Second
	// refusedEvery is how often credentials that the broker has refused are tried
	// again while others are in use: their tenant may be pushed later.
	refusedEvery = time.Minute
)

// Connector keeps the agent connected to the broker. It renews connections
// itself, although nats.go could, because only it knows which credentials to use
// and why an attempt failed. Its fields are used by the
// goroutine that calls Run and NoteMissing.
type Connector struct {
	broker *reach.Broker
	file   *credsFile
	state  *state
	log    *slog.Logger
	// adopt is Config.Adopt.
	adopt func(nc *nats.Conn, cluster string) error

	// accepted are the credentials that the broker accepted last, nil before the
	// first time. They are kept in memory: a damaged file, or one whose new
	// credentials are refused, must not end a working connection.
	accepted *Creds
	tried    map[*Creds]time.Time // when the broker last refused those in the file
	avoid    *url.URL             // the server that was lost last: it is tried last
	clock    func() *dial.Clock   // Config.Clock
	limits   reach.Limits
	cuts     cause.Regular // lifetimes of connections that others closed
	// dial is connectTo.
	dial  func(ctx context.Context, server *url.URL, creds *Creds) (*connection, error)
	trial *Trial // nil, but during Try
}

// Run keeps connected until ctx ends. It returns the last connection, which the
// caller closes after parting words, or nil.
func (c *Connector) Run(ctx context.Context) *nats.Conn {
	c.broker.WarnInTheClear(c.log)
	c.state.waiting("still connecting")
	if conn := c.run(ctx); conn != nil {
		conn.end() // from now on a broker that reads nothing holds up little
		return conn.Conn
	}
	return nil
}

func (c *Connector) run(ctx context.Context) *connection {
	var losses losses
	for {
		conn := c.establish(ctx)
		if conn == nil {
			return nil
		}
		began := time.Now()
		if conn = c.watch(ctx, conn); ctx.Err() != nil {
			return conn
		}
		conn.Close()
		c.avoid = conn.dialer.Server
		// Other agents may have lost theirs at the same moment, so spread out.
		c.pause(ctx, natslink.RetryDelay(losses.after(time.Since(began))))
	}
}

// losses counts consecutive connections that were lost soon after they had been
// made. Otherwise a broker that accepts an agent and then cuts it would be
// called without a pause, since each attempt succeeds.
type losses int

// after counts a connection that lasted that long. It returns the number of
// attempts from which the pause before the next one follows.
func (l *losses) after(lasted time.Duration) (attempts int) {
	if lasted >= reach.Steady {
		*l = 0
	}
	*l++
	return int(*l)
}

// establish tries until there is a connection that serves, or ctx ends (nil).
func (c *Connector) establish(ctx context.Context) *connection {
	for attempt := 1; ctx.Err() == nil; attempt++ {
		conn, why := c.attempt(ctx)
		if conn != nil {
			return conn
		}
		if ctx.Err() != nil {
			break
		}
		wait, until := c.limits.Delay(c.broker.Servers(), attempt)
		c.state.failed(why, until)
		c.pause(ctx, wait)
	}
	return nil
}

// take makes conn the connection that serves, and its credentials those in use.
func (c *Connector) take(conn *connection) error {
	if err := c.adopt(conn.Conn, conn.creds.Cluster); err != nil {
		return err
	}
	conn.serving.Store(true)
	conn.since = time.Now()
	c.accepted = conn.creds
	conn.creds.revoked.Store(false)
	conn.creds.refusal.Store(nil)
	c.state.up(conn.server, conn.creds)
	return nil
}

// connectAndTake connects and takes the connection. After an error there is none; it is
// a [connectFailures].
func (c *Connector) connectAndTake(ctx context.Context, creds *Creds) (*connection, error) {
	conn, err := c.connect(ctx, creds)
	if err != nil {
		return nil, err
	}
	if err := c.take(conn); err != nil {
		err = conn.reason(err)
		conn.Close()
		return nil, &connectFailures{[]*url.URL{conn.dialer.Server}, []error{conn.judge(err)}}
	}
	return conn, nil
}

// pause waits before the next attempt, until the credentials file changes at the
// latest. Without any credentials it waits only for that.
func (c *Connector) pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	poll := time.NewTicker(credsEvery)
	defer poll.Stop()
	over := timer.C
	if c.file.creds == nil && c.accepted == nil {
		over = nil
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-over:
			return
		case <-poll.C:
			if _, changed, err := c.file.read(); changed {
				if err == nil {
					c.limits.Forget()
				}
				return
			}
		}
	}
}

// attempt tries the credentials that may work, once: those in the file, and
// those that worked before. Credentials for another cluster are tried last, if
// those in use are refused: a cluster does not change its name by accident.
func (c *Connector) attempt(ctx context.Context) (conn *connection, why []failure) {
	fresh, changed, fileErr := c.file.read()
	if changed && fileErr == nil {
		c.limits.Forget()
	}
	maps.DeleteFunc(c.tried, func(of *Creds, _ time.Time) bool { return of != fresh })
	if fresh == nil && c.accepted == nil {
		return nil, unused(fileErr)
	}
	candidates := []*Creds{fresh, c.accepted}
	other := fresh != nil && c.accepted != nil && fresh.Cluster != c.accepted.Cluster
	if other {
		c.state.credsFile(anotherCluster(fresh, c.accepted))
		candidates = []*Creds{c.accepted, fresh}
	}
	if fileErr != nil {
		why = unused(fileErr)
	}
	for i, creds := range candidates {
		if creds == nil || i > 0 && creds == candidates[0] {
			continue
		}
		conn, err := c.connectAndTake(ctx, creds)
		if err == nil {
			c.noteFile(creds, why)
			return conn, nil
		}
		for _, f := range failures(err) {
			if !slices.ContainsFunc(why, f.same) {
				why = append(why, f)
			}
		}
		if !refused(err) && !unfit(err) { // others would fare no better
			break
		}
		c.tried[creds] = time.Now()
	}
	return nil, why
}

// noteFile notes why the credentials in the file are not those in use.
func (c *Connector) noteFile(used *Creds, why []failure) {
	switch {
	case used == c.file.creds:
		why = nil
	case c.file.creds != nil && c.file.creds.Cluster != used.Cluster:
		why = anotherCluster(c.file.creds, used)
	}
	c.state.credsFile(why)
}

func anotherCluster(fresh, used *Creds) []failure {
	return unused(&cause.Failure{
		Hop: cause.JWT, Cause: cause.WrongCluster, Tried: "use new credentials",
		Got: fmt.Sprintf("it is for cluster %s, while this agent serves %s", fresh.Cluster, used.Cluster),
		Do:  "Restart the agent to serve the other cluster, or give it credentials of this one.",
	})
}

// watch watches a connection until it is lost or ctx ends, and moves to another
// one when the file has new credentials. It returns the last connection.
func (c *Connector) watch(ctx context.Context, conn *connection) *connection {
	poll := time.NewTicker(credsEvery)
	defer poll.Stop()
	broken := conn.StatusChanged(nats.DISCONNECTED, nats.CLOSED)
	for {
		select {
		case <-ctx.Done():
			return conn
		case <-broken:
			// Otherwise parting words would wait for a path that may be dead.
			conn.dialer.Abort()
			broken = nil
		case err := <-conn.lost:
			c.state.down(failure{conn.server, reach.CutRegularly(&c.cuts, conn.judge(err), time.Since(conn.since))})
			return conn
		case <-poll.C:
			if next := c.rotate(ctx, conn); next != nil {
				conn.Close()
				conn = next
				broken = conn.StatusChanged(nats.DISCONNECTED, nats.CLOSED)
			}
		}
	}
}

// rotate connects with the new credentials in the file, if there are any, and
// moves to that connection. nil means that everything stays as it is.
func (c *Connector) rotate(ctx context.Context, conn *connection) *connection {
	fresh, changed, err := c.file.read()
	if changed && err == nil {
		c.limits.Forget()
	}
	maps.DeleteFunc(c.tried, func(of *Creds, _ time.Time) bool { return of != fresh })
	switch {
	case err != nil:
		c.state.credsFile(unused(err))
		return nil
	case fresh == conn.creds:
		c.state.credsFile(nil)
		return nil
	case fresh.Cluster != conn.creds.Cluster:
		c.state.credsFile(anotherCluster(fresh, conn.creds))
		return nil
	case time.Since(c.tried[fresh]) < refusedEvery:
		return nil
	}
	began := time.Now()
	// Once the connection is lost there is nothing to move from, and all servers
	// and credentials are candidates again.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(conn.gone, cancel)()
	next, err := c.connectAndTake(ctx, fresh)
	if err != nil {
		if ctx.Err() == nil {
			c.tried[fresh] = time.Now()
			why := failures(err)
			c.state.count(why)
			c.state.credsFile(why)
		}
		return nil
	}
	c.state.credsFile(nil)
	c.log.Info("now using new credentials", "cluster", fresh.Cluster, "expires", expiryText(fresh), "took", time.Since(began).Round(time.Millisecond))
	return next
}

func expiryText(c *Creds) string {
	if c.Expires.IsZero() {
		return "never"
	}
	return timeText(c.Expires)
}
