package proxy

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Logins remembers credentials that a proxy has refused, so that they are not sent
// again at every attempt: directories lock an account after some failed logins,
// often ten within a quarter of an hour. Its zero value is ready, and it is safe for
// concurrent use.
type Logins struct {
	mu      sync.Mutex // guards all below
	refused [sha256.Size]byte
	failure *cause.Failure
	until   time.Time // they are not sent again before that
	pause   time.Duration
}

// The pause after a refusal, which doubles: two agents with the same wrong password
// log in eight times in the first quarter of an hour, and twice in each later one.
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
	if l.failure == nil || l.refused != t.login() || !time.Now().Before(l.until) {
		return nil
	}
	f := *l.failure
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
	key := t.login()
	switch {
	case refusal == nil && l.refused == key:
		l.failure, l.pause = nil, 0
	case refusal == nil:
	case l.refused == key && l.failure != nil:
		l.pause = min(2*l.pause, maxPause)
	default:
		l.pause = firstPause
	}
	if refusal != nil {
		l.refused, l.failure, l.until = key, refusal, time.Now().Add(l.pause)
	}
}

// login identifies the credentials and the proxy that they are for.
func (t *tunnel) login() [sha256.Size]byte {
	return sha256.Sum256([]byte(Name(t.proxy) + "\x00" + t.creds.user + "\x00" + t.creds.password))
}

// notAccepted is the proxy's refusal of the credentials. got says more, or is "".
func (t *tunnel) notAccepted(got string) error {
	if got != "" {
		got = ": " + got
	}
	f := t.failure(cause.ProxyAuthRequired, "it does not accept the user and password "+t.creds.from+got,
		"Check the user and password "+t.creds.from+". For NTLM the user is often written with its domain: DOMAIN\\user. "+
			"They are tried again once they change, otherwise only every few minutes, so that the account is not locked.")
	t.proxies.Logins.note(t, f)
	return f
}
