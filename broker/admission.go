package broker

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
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
	// maxOvertaken is how long one waits that other sources came before. It leaves 3 s of
	// the 10 s that the server and clients give a handshake.
	maxOvertaken = 7 * time.Second
	// lookAfter is how often those that wait are asked whether their client is still
	// there: 1,000 take 4,000 system calls a second, or a hundredth of a core.
	lookAfter = 250 * time.Millisecond
	// throttled is what a refused client gets instead of a handshake: the words of
	// nats-server's own connection_rate_limit.
	throttled = "-ERR 'Connection throttling is active. Please try again later.'\r\n"
)

// These end a handshake.
var (
	errThrottled = errors.New("too many connections at once (see --max-connects-per-second)")
	errStopping  = errors.New("the broker is stopping")
	errGone      = errors.New("the client hung up while it waited for its turn")
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

	mu    sync.Mutex // guards these
	queue turns
	due   time.Time   // when the next turn is
	timer *time.Timer // gives it; nil until one had to wait

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
		a.queue = turns{places: int(maxAdmissionWait.Seconds()) * perSecond, networks: map[netip.Prefix]*network{}}
	}
	return a
}

// wait returns when it is the turn of a connection from source, or an error: at once if
// that would take too long, otherwise when a is closed, the client is gone, or other
// sources have taken its place.
func (a *admission) wait(source netip.Prefix, gone func() bool) error {
	if a.interval > 0 {
		if err := a.await(source, gone); err != nil {
			if errors.Is(err, errThrottled) {
				a.refused.Add(1)
			}
			return err
		}
	}
	return a.admit()
}

func (a *admission) await(source netip.Prefix, gone func() bool) error {
	t := a.enqueue(source, gone)
	if t == nil {
		return errThrottled
	}
	a.waiting.Add(1)
	defer a.waiting.Add(-1)
	overtaken, look := time.NewTimer(maxOvertaken), time.NewTicker(lookAfter)
	defer overtaken.Stop()
	defer look.Stop()
	for {
		select {
		case err := <-t.outcome:
			return err
		case <-look.C:
			if gone() {
				a.leave(t)
				return errGone
			}
		case <-overtaken.C:
			a.leave(t)
			return errThrottled
		case <-a.closed:
			a.leave(t)
			return errStopping
		}
	}
}

// enqueue returns the turn of a connection, nil if there is none for it.
func (a *admission) enqueue(source netip.Prefix, gone func() bool) *turn {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); a.queue.waiting == 0 && a.due.Before(now) {
		a.due = now
	}
	t, lost := a.queue.join(source, gone)
	if lost != nil {
		lost.outcome <- errThrottled
	}
	a.give()
	return t
}

func (a *admission) leave(t *turn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue.leave(t)
}

// give gives the turns that are due, and comes back for the next one. a.mu is held.
func (a *admission) give() {
	for a.queue.waiting > 0 {
		if wait := time.Until(a.due); wait > 0 {
			a.giveAfter(wait)
			return
		}
		if t := a.queue.pop(); t != nil {
			t.outcome <- nil
			a.due = a.due.Add(a.interval)
		}
	}
}

func (a *admission) giveAfter(wait time.Duration) {
	if a.timer != nil {
		a.timer.Reset(wait)
		return
	}
	a.timer = time.AfterFunc(wait, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.give()
	})
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
		err := a.wait(sourceOf(hello.Conn.RemoteAddr()), func() bool { return hungUp(hello.Conn) })
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
