package link

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

const (
	// limitedAttempts is how often in a row the agent waits as long as a server
	// asks. After one more refusal it gives up for a while.
	limitedAttempts = 5
	// giveUpAtLeast and giveUpAtMost bound that pause: a limit that five waits do not
	// satisfy is not over soon, and agents that gave up together come back one by one.
	giveUpAtLeast = 5 * time.Minute
	giveUpAtMost  = 10 * time.Minute
	// firstSpread is how much longer, at random, an agent waits than it is told:
	// others were told the same. It doubles with each refusal in a row, up to 32 s.
	firstSpread = 2 * time.Second
	// untoldStep is the step of the back-off that follows a rate limit that names no
	// time: the pause is up to 3.2 s, and doubles from there.
	untoldStep = 6
)

// limits remembers the servers that ask to be left alone for some time. It is for
// one goroutine. The zero value has none.
type limits struct {
	of map[*url.URL]*limited
	// untold is set if a server refused the latest attempts for their rate, and did
	// not say for how long.
	untold bool
}

// limited is a server that has refused connections for their rate.
type limited struct {
	times int // in a row
	until time.Time
	err   error // why it is not tried before
}

// note notes how an attempt to connect to server ended.
func (l *limits) note(server *url.URL, err error) {
	now := time.Now()
	refusal, ok := errors.AsType[*dial.Refusal](err)
	var wait time.Duration
	if ok {
		wait, ok = refusal.Wait(now)
	}
	if !ok {
		delete(l.of, server)
		l.untold = l.untold || isRateLimit(err)
		return
	}
	if l.of == nil {
		l.of = make(map[*url.URL]*limited)
	}
	was := l.of[server]
	if was == nil {
		was = &limited{}
		l.of[server] = was
	}
	if was.times++; was.times <= limitedAttempts {
		was.err, was.until = err, now.Add(wait+rand.N(firstSpread<<(was.times-1)))
		return
	}
	was.times = 0
	was.err = gaveUp(server, refusal)
	was.until = now.Add(giveUpAtLeast + rand.N(giveUpAtMost-giveUpAtLeast))
}

func gaveUp(server *url.URL, refusal *dial.Refusal) error {
	return &cause.Failure{
		Hop: cause.HTTPUpgrade, Cause: cause.RateLimitGaveUp,
		Tried: "connect to " + natslink.ShownServer(server), Got: refusal.Error(), Err: refusal,
	}
}

// held returns why server is not to be tried yet, nil if it may be.
func (l *limits) held(server *url.URL) error {
	if of := l.of[server]; of != nil && time.Now().Before(of.until) {
		return of.err
	}
	return nil
}

// until returns when the first of servers may be tried, if none may be before.
func (l *limits) until(servers []*url.URL) (first time.Time, ok bool) {
	for _, s := range servers {
		if l.held(s) == nil {
			return time.Time{}, false
		}
		if at := l.of[s].until; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first, len(servers) > 0
}

// delay returns how long to wait before the next attempt, after that many, and
// until when, if that is because every server asks for it.
func (l *limits) delay(servers []*url.URL, attempts int) (wait time.Duration, until time.Time) {
	if until, ok := l.until(servers); ok {
		return time.Until(until), until
	}
	if l.untold {
		attempts += untoldStep - 1
	}
	return natslink.RetryDelay(attempts), time.Time{}
}

// forget permits an attempt at every server.
func (l *limits) forget() { clear(l.of) }

// isRateLimit reports whether a connection was refused for the rate of connections.
func isRateLimit(err error) bool {
	if refusal, ok := errors.AsType[*dial.Refusal](err); ok {
		return refusal.Status == http.StatusTooManyRequests
	}
	f := cause.Of(err)
	return f != nil && f.Cause == cause.RateLimited
}
