package broker

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// DefaultMaxConnects is how many connections a node admits a second. Each costs
	// about a millisecond of a core, for TLS and the signatures of JWTs: when
	// thousands of agents come back at once, a core keeps four fifths of its time for
	// those that are connected. 1,000 agents are back within 5 s of their attempts.
	DefaultMaxConnects = 200
	// Unlimited as MaxConnects means no limit.
	Unlimited = -1
	// maxAdmissionWait is how long a connection waits for its turn: half of the time
	// that clients give an attempt, and that the server gives a handshake. One that
	// would wait longer is refused; clients try again later.
	maxAdmissionWait = 5 * time.Second
	// throttled is what a refused client gets instead of a handshake: the words of
	// nats-server's own connection_rate_limit.
	throttled = "-ERR 'Connection throttling is active. Please try again later.'\r\n"
)

// These end a handshake.
var (
	errThrottled = errors.New("too many connections at once (see --max-connects-per-second)")
	errStopping  = errors.New("the broker is stopping")
)

// admission lets connections of clients through at a rate, whichever listener they
// come to. nats-server has a limit of its own, which counts connections to the TCP
// listener only, refuses without letting any wait, and panics unless it comes from a
// configuration file. It is safe for concurrent use.
type admission struct {
	limiter  *rate.Limiter
	closed   chan struct{}
	close    func() // ends all waits; may be called more than once
	waiting  atomic.Int64
	admitted atomic.Uint64
	refused  atomic.Uint64
}

// newAdmission returns one that admits perSecond connections, evenly: in no second
// are there more.
func newAdmission(perSecond int) *admission {
	limit := rate.Limit(perSecond)
	if perSecond == Unlimited {
		limit = rate.Inf
	}
	a := &admission{limiter: rate.NewLimiter(limit, 1), closed: make(chan struct{})}
	a.close = sync.OnceFunc(func() { close(a.closed) })
	return a
}

// wait returns when it is the connection's turn, or an error: at once if that would
// take too long, otherwise when a is closed.
func (a *admission) wait() error {
	turn := a.limiter.Reserve()
	wait := turn.Delay()
	if wait > maxAdmissionWait {
		turn.Cancel()
		a.refused.Add(1)
		return errThrottled
	}
	if wait > 0 {
		a.waiting.Add(1)
		defer a.waiting.Add(-1)
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-a.closed: // the server waits for its handshakes to end
			return errStopping
		}
	}
	a.admitted.Add(1)
	return nil
}

// guard returns config with a handshake that waits where it asks for the
// certificate: in the client's own goroutine, before anything is signed.
func (a *admission) guard(config *tls.Config) *tls.Config {
	config = config.Clone()
	next := config.GetCertificate
	if next == nil {
		next = chooseOf(config.Certificates)
	}
	// With certificates here, GetCertificate is not called for every client; and a
	// client that resumes a session needs no certificate.
	config.Certificates = nil
	config.SessionTicketsDisabled = true
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		err := a.wait()
		if errors.Is(err, errThrottled) {
			refuse(hello.Conn)
		}
		if err != nil {
			return nil, err
		}
		return next(hello)
	}
	return config
}

// refuse says in clear text why there is no handshake: the alerts of TLS have no
// word for it.
func refuse(conn net.Conn) {
	_, _ = io.WriteString(conn, throttled) // the first bytes on it: they fit into its buffer
}

// chooseOf returns what crypto/tls does with several certificates.
func chooseOf(certs []tls.Certificate) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		for i := range certs {
			if hello.SupportsCertificate(&certs[i]) == nil {
				return &certs[i], nil
			}
		}
		if len(certs) == 0 {
			return nil, errors.New("no certificate")
		}
		return &certs[0], nil
	}
}
