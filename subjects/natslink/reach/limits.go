package reach

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
	// LimitedAttempts is how often in a row a server is waited for as long as it
	// asks. After one more refusal it gives up for a while.
	LimitedAttempts = 5
	// GiveUpAtLeast and GiveUpAtMost bound that pause: a limit that five waits do not
	// satisfy is not over soon, and those that gave up together come back one by one.
	GiveUpAtLeast = 5 * time.Minute
	GiveUpAtMost  = 10 * time.Minute
	// BriefAtLeast and BriefAtMost bound that pause for bridges, whose callers wait, unless
	// the server asks for more: all connections of a bridge make one attempt then.
	BriefAtLeast = 30 * time.Second
	BriefAtMost  = time.Minute
	// FirstSpread is how much longer, at random, a client waits than it is told:
	// others were told the same. It doubles with each refusal in a row, up to 32 s.
	FirstSpread = 2 * time.Second
	// untoldStep is the step of the back-off that follows a rate limit that names no
	// time: the pause is up to 3.2 s, and doubles from there.
	untoldStep = 6
)

// Limits remembers the servers that ask to be left alone for some time. It is for
// one goroutine. The zero value has none.
type Limits struct {
	of map[*url.URL]*limited
	// untold is set if a server refused an attempt of this round for the rate, and did
	// not say for how long.
	untold bool
	// brief: it gives up for BriefAtLeast to BriefAtMost.
	brief bool
}

// limited is a server that has refused connections for their rate.
type limited struct {
	times int // in a row
	until time.Time
	err   error // why it is not tried before
	// probing: one connection tries it, for which the others wait.
	probing bool
}

// Begin begins a round of attempts.
func (l *Limits) Begin() { l.untold = false }

// Note notes how an attempt to connect to server ended.
func (l *Limits) Note(server *url.URL, err error) {
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
	if was.times++; was.times <= LimitedAttempts {
		was.err, was.until = err, now.Add(wait+rand.N(FirstSpread<<(was.times-1)))
		return
	}
	was.times = 0
	was.err = gaveUp(server, refusal)
	was.until = now.Add(GiveUpAtLeast + rand.N(GiveUpAtMost-GiveUpAtLeast))
	if l.brief {
		was.until = now.Add(max(wait, BriefAtLeast) + rand.N(BriefAtMost-BriefAtLeast))
	}
}

func gaveUp(server *url.URL, refusal *dial.Refusal) error {
	return &cause.Failure{
		Hop: cause.HTTPUpgrade, Cause: cause.RateLimitGaveUp,
		Tried: "connect to " + natslink.ShownServer(server), Got: refusal.Error(), Err: refusal,
	}
}

// Held returns why server is not to be tried yet, nil if it may be.
func (l *Limits) Held(server *url.URL) error {
	if of := l.of[server]; of != nil && (of.probing || time.Now().Before(of.until)) {
		return of.err
	}
	return nil
}

// First returns the one of servers that may be tried first, nil for no servers. The
// first of those that may be tried at once counts.
func (l *Limits) First(servers []*url.URL) (first *url.URL) {
	for _, s := range servers {
		if l.Held(s) == nil {
			return s
		}
		if first == nil || l.of[s].until.Before(l.of[first].until) {
			first = s
		}
	}
	return first
}

// Delay returns how long to wait before the next attempt, after that many, and
// until when, if that is because every server asks for it.
func (l *Limits) Delay(servers []*url.URL, attempts int) (wait time.Duration, until time.Time) {
	if first := l.First(servers); first != nil && l.Held(first) != nil {
		until = l.of[first].until
		return time.Until(until), until
	}
	if l.untold {
		attempts += untoldStep - 1
	}
	return natslink.RetryDelay(attempts), time.Time{}
}

// Forget permits an attempt at every server.
func (l *Limits) Forget() { clear(l.of) }

// isRateLimit reports whether a connection was refused for the rate of connections.
func isRateLimit(err error) bool {
	if refusal, ok := errors.AsType[*dial.Refusal](err); ok {
		return refusal.Status == http.StatusTooManyRequests
	}
	f := cause.Of(err)
	return f != nil && f.Cause == cause.RateLimited
}
