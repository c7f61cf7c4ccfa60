package proxy

import (
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Logins remembers credentials that a proxy has refused, so that they are not sent
// again at every attempt: directories lock an account after some failed logins,
// often ten within a quarter of an hour. Its zero value is ready, and it is safe for
// concurrent use.
type Logins struct {
	mu      sync.Mutex // guards refused and what it holds
	refused map[loginKey]*refusedLogin
}

// loginKey identifies credentials and the proxy that they are for.
type loginKey [sha256.Size]byte

// refusedLogin is what is known of one login since it was last accepted.
type refusedLogin struct {
	failure *cause.Failure // the last refusal, nil: only closed connections so far
	until   time.Time      // it is not sent again before that
	pause   time.Duration
	closed  int // connections that the proxy closed instead of a response
}

// maxRefused bounds the logins that are remembered: an agent has a few proxies, each
// with the current password and some earlier ones.
const maxRefused = 16

// The pause after a refusal, which doubles: two agents with the same wrong password
// log in at a proxy eight times in the first quarter of an hour, and twice in each
// later one.
const (
	firstPause = 2 * time.Minute
	maxPause   = 16 * time.Minute
)

// held returns the failure to return again instead of sending the credentials, nil if
// they may be sent.
func (l *Logins) held(t *tunnel) *cause.Failure {
	if l == nil || t.creds == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.refused[t.login()]
	if r == nil || r.failure == nil || !time.Now().Before(r.until) {
		return nil
	}
	f := *r.failure
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
	if refusal == nil {
		delete(l.refused, t.login())
		return
	}
	r := l.entry(t.login())
	r.pause = max(firstPause, min(2*r.pause, maxPause))
	r.failure, r.until = refusal, time.Now().Add(r.pause)
}

// noteClosed notes that the proxy closed the connection on which the credentials were
// sent, and returns how often it has done so since it last accepted them.
func (l *Logins) noteClosed(t *tunnel) int {
	if l == nil || t.creds == nil {
		return 1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.entry(t.login())
	r.closed++
	r.until = time.Now().Add(r.pause)
	return r.closed
}

// entry returns what is known of a login. Where too many are known, the one that may
// be sent again first gives way. The caller holds mu.
func (l *Logins) entry(key loginKey) *refusedLogin {
	if r := l.refused[key]; r != nil {
		return r
	}
	if len(l.refused) >= maxRefused {
		var first loginKey
		var until time.Time
		for k, r := range l.refused {
			if until.IsZero() || r.until.Before(until) {
				first, until = k, r.until
			}
		}
		delete(l.refused, first)
	}
	if l.refused == nil {
		l.refused = make(map[loginKey]*refusedLogin)
	}
	r := new(refusedLogin)
	l.refused[key] = r
	return r
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
