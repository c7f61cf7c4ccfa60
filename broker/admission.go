package broker

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// DefaultMaxConnects is how many connections a node admits a second. Each costs
	// about a millisecond of a core, for TLS and the signatures of JWTs: when
	// thousands of agents come back at once, a core keeps four fifths of its time for
	// those that are connected. 1,000 agents are back within 5 s of their attempts.
	DefaultMaxConnects = 200
	// maxMaxConnects is far more than a node can do; the time of each is remembered.
	maxMaxConnects = 100_000
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
	interval time.Duration // between two connections; 0: no limit
	closed   chan struct{}
	close    func() // ends all waits; may be called more than once
	waiting  atomic.Int64
	admitted atomic.Uint64
	refused  atomic.Uint64

	queue sync.Mutex // guards end
	end   time.Time  // of the queue: the turn of the next connection

	// gate guards latest and next, and is held by the connection whose turn it is.
	gate sync.Mutex
	// latest has when the latest connections were admitted: as many as a second may
	// have, from the index next on. It is empty without a limit.
	latest []time.Time
	next   int
}

// newAdmission returns one that admits perSecond connections, evenly: in no second
// are there more.
func newAdmission(perSecond int) *admission {
	a := &admission{closed: make(chan struct{})}
	a.close = sync.OnceFunc(func() { close(a.closed) })
	if perSecond != Unlimited {
		a.interval = time.Second / time.Duration(perSecond)
		a.latest = make([]time.Time, perSecond)
	}
	return a
}

// wait returns when it is the connection's turn, or an error: at once if that would
// take too long, otherwise when a is closed.
func (a *admission) wait() error {
	wait, ok := a.enqueue()
	if !ok {
		a.refused.Add(1)
		return errThrottled
	}
	a.waiting.Add(1)
	defer a.waiting.Add(-1)
	if !a.sleep(wait) {
		return errStopping
	}
	return a.admit()
}

// enqueue returns how long a connection waits for its turn; ok is false if that is too
// long, and then it has none.
func (a *admission) enqueue() (wait time.Duration, ok bool) {
	a.queue.Lock()
	defer a.queue.Unlock()
	now := time.Now()
	if a.end.Before(now) {
		a.end = now
	}
	if wait = a.end.Sub(now); wait > maxAdmissionWait {
		return 0, false
	}
	a.end = a.end.Add(a.interval)
	return wait, true
}

// admit counts a connection whose turn it is. On a busy machine some wake up late, and
// then many at once: so it waits for the second to be over in which there would be
// too many.
func (a *admission) admit() error {
	a.gate.Lock()
	defer a.gate.Unlock()
	if len(a.latest) > 0 {
		if !a.sleep(time.Until(a.latest[a.next].Add(time.Second))) {
			return errStopping
		}
		a.latest[a.next] = time.Now()
		a.next = (a.next + 1) % len(a.latest)
	}
	a.admitted.Add(1)
	return nil
}

// sleep reports whether d has passed, false once a is closed: the server waits for its
// handshakes to end.
func (a *admission) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-a.closed:
		return false
	}
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
