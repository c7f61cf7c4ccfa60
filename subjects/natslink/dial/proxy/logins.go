package proxy

import (
	"context"
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Logins remembers how proxies answered credentials, so that a password that is wrong is
// not sent again and again: directories lock an account after some failed logins, often
// ten within a quarter of an hour. Many connections through one proxy begin at the same
// moment, so credentials that were not accepted lately are sent by one of them, and the
// others wait for the outcome. Its zero value is ready, and it is safe for concurrent use.
type Logins struct {
	mu    sync.Mutex // guards known and what it holds
	known map[loginKey]*knownLogin
}

// loginKey identifies credentials and the proxy that they are for.
type loginKey [sha256.Size]byte

// knownLogin is what is known of one login.
type knownLogin struct {
	accepted time.Time      // when it was, zero after a refusal
	failure  *cause.Failure // the last refusal since then, nil: only closed connections so far
	until    time.Time      // it is not sent again before that
	pause    time.Duration
	closed   int // connections that the proxy closed instead of a response

	trial chan struct{} // closed when the trial that others wait for ends, nil: there is none
	late  time.Time     // that trial is not waited for any longer
}

// maxKnown bounds the logins that are remembered: an agent has a few proxies, each with
// the current password and some earlier ones. Those that are being tried come on top.
const maxKnown = 16

// The pause after a refusal, which doubles: two agents with the same wrong password
// log in at a proxy eight times in the first quarter of an hour, and twice in each
// later one.
const (
	firstPause = 2 * time.Minute
	maxPause   = 16 * time.Minute
)

const (
	// acceptedFor is how long logins run side by side after one was accepted: the
	// connections that follow a broker's restart are made within that time. The password
	// may have changed before later ones.
	acceptedFor = 30 * time.Second
	// trialTime bounds the wait for a trial: proxies delay a refusal by 2 or 3 s, and an
	// attempt at a broker has 10 s. A trial that takes longer waits for a broker that does
	// not answer, which must not keep others from the next one.
	trialTime = 5 * time.Second
)

// begin returns when the credentials may be sent: at once if the proxy has accepted them
// lately, otherwise if nobody else is trying them. The caller calls end once the outcome is
// noted. The error is a [cause.Failure]: the refusal if they must not be sent.
func (l *Logins) begin(ctx context.Context, t *tunnel) (end func(), err error) {
	if l == nil || t.creds == nil {
		return func() {}, nil
	}
	for {
		end, trial, late, refusal := l.try(t)
		switch {
		case refusal != nil:
			return nil, refusal
		case end != nil:
			return end, nil
		}
		timer := time.NewTimer(late)
		select {
		case <-trial:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, t.failure(cause.Timeout, "another login with the user and password "+t.creds.from+" was not answered in time, so these were not sent",
				"Read the proxy's log, and that of the directory that it asks about passwords.")
		}
		timer.Stop()
	}
}

// try begins a trial, or returns the one to wait for and how long, or why there must be none.
func (l *Logins) try(t *tunnel) (end func(), trial <-chan struct{}, late time.Duration, refusal *cause.Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, now := l.entry(t.login()), time.Now()
	if refusal = k.held(t); refusal != nil {
		return nil, nil, 0, refusal
	}
	switch {
	case !k.accepted.IsZero() && now.Sub(k.accepted) < acceptedFor:
		return func() {}, nil, 0, nil
	case k.trial != nil && now.Before(k.late):
		return nil, k.trial, k.late.Sub(now), nil
	}
	mine := make(chan struct{})
	k.trial, k.late = mine, now.Add(trialTime)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if close(mine); k.trial == mine {
			k.trial = nil
		}
	}, nil, 0, nil
}

// held returns the failure to return again instead of sending the credentials, nil if
// they may be sent.
func (l *Logins) held(t *tunnel) *cause.Failure {
	if l == nil || t.creds == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known[t.login()].held(t)
}

// held is [Logins.held] of one login. The caller holds mu.
func (k *knownLogin) held(t *tunnel) *cause.Failure {
	if k == nil || k.failure == nil || !time.Now().Before(k.until) {
		return nil
	}
	f := *k.failure
	f.Tried = t.tried()
	return &f
}

// note notes whether the proxy has accepted the credentials (nil).
func (l *Logins) note(t *tunnel, refusal *cause.Failure) {
	if l == nil || t.creds == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.entry(t.login())
	if refusal == nil {
		k.accepted, k.failure, k.until, k.pause, k.closed = time.Now(), nil, time.Time{}, 0, 0
		return
	}
	k.pause = max(firstPause, min(2*k.pause, maxPause))
	k.accepted, k.failure, k.until = time.Time{}, refusal, time.Now().Add(k.pause)
}

// noteClosed notes that the proxy closed the connection on which the credentials were
// sent, and returns how often it has done so since it last accepted them.
func (l *Logins) noteClosed(t *tunnel) int {
	if l == nil || t.creds == nil {
		return 1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.entry(t.login())
	k.closed++
	k.accepted, k.until = time.Time{}, time.Now().Add(k.pause)
	return k.closed
}

// entry returns what is known of a login. Where too many are known, the one that may
// be sent again first gives way. The caller holds mu.
func (l *Logins) entry(key loginKey) *knownLogin {
	if k := l.known[key]; k != nil {
		return k
	}
	if len(l.known) >= maxKnown {
		var first loginKey
		var until time.Time
		found := false
		for key, k := range l.known {
			if k.trial == nil && (!found || k.until.Before(until)) {
				first, until, found = key, k.until, true
			}
		}
		delete(l.known, first)
	}
	if l.known == nil {
		l.known = make(map[loginKey]*knownLogin)
	}
	k := new(knownLogin)
	l.known[key] = k
	return k
}

// login identifies the credentials and the proxy that they are for.
func (t *tunnel) login() loginKey {
	return sha256.Sum256([]byte(Name(t.proxy) + "\x00" + t.creds.user + "\x00" + t.creds.password))
}

// notAccepted is the proxy's refusal of the credentials that were sent by a scheme, ""
// for that of SOCKS. got says more, or is "".
func (t *tunnel) notAccepted(scheme, got string) error {
	if got != "" {
		got = ": " + got
	}
	f := t.failure(cause.ProxyAuthRequired, "it does not accept the user and password "+t.creds.from+got,
		"Check the user and password "+t.creds.from+". "+spelling(scheme, t.creds.user)+
			"They are tried again once they change, otherwise only every few minutes, so that the account is not locked.")
	t.proxies.Logins.note(t, f)
	return f
}

// spelling says how the user is written for a scheme, with a space behind it; "" where
// that is not known to go wrong.
func spelling(scheme, user string) string {
	switch {
	case scheme == "NTLM" || scheme == "Negotiate":
		return `For NTLM the user is often written with its domain: DOMAIN\user. `
	case scheme != "" && strings.Contains(user, `\`):
		return "The proxy logs in by " + scheme + ", for which the user is mostly written without its domain. "
	}
	return ""
}

// closedAtLogin is for a proxy that closes the connection instead of a response to the
// credentials. Once may be the network; the second time it is taken for a refusal, since
// some proxies refuse a login in this way, and each one counts towards a lockout.
func (t *tunnel) closedAtLogin(scheme string) error {
	if t.proxies.Logins.noteClosed(t) < 2 {
		return t.cutShort(scheme)
	}
	f := t.failure(cause.ProxyAuthRequired, "it closed the connection more than once after its "+scheme+
		" challenge was answered, so it probably does not accept the user and password "+t.creds.from,
		"Check the user and password "+t.creds.from+". If they are right, have the proxy keep connections open while clients log in. "+
			"They are tried again once they change, otherwise only every few minutes, so that the account is not locked.")
	t.proxies.Logins.note(t, f)
	return f
}
