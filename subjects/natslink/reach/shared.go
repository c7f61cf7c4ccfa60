package reach

import (
	"math/rand/v2"
	"net/url"
	"sync"
	"time"
)

// sharedLimits are the limits of all redialers of a broker: what a server asks of one it
// asks of all. It is safe for concurrent use.
type sharedLimits struct {
	mu     sync.Mutex // guards limits
	limits Limits     // its untold is not used: each redialer has its own
}

// lookAtLeast and lookAtMost bound the pause after which a redialer that waits looks
// whether another one has got through meanwhile.
const (
	lookAtLeast = 5 * time.Second
	lookAtMost  = 10 * time.Second
)

// take permits an attempt at server, which note must end, or returns why there must be
// none. After a wait one attempt at a time is permitted, the probe.
func (s *sharedLimits) take(server *url.URL) (probe bool, held error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held = s.limits.Held(server); held != nil {
		return false, held
	}
	of := s.limits.of[server]
	if of == nil {
		return false, nil
	}
	of.probing = true
	return true, nil
}

// note notes how an attempt ended. It returns why the server is held now, nil if it is
// not, and whether it refused the attempt for the rate without a time.
func (s *sharedLimits) note(server *url.URL, probe bool, err error) (held error, untold bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.limits.of[server]
	if of != nil && probe {
		of.probing = false
	}
	// Attempts that began before a limit was known are not counted as further refusals,
	// and only a success lifts it.
	if err == nil || s.limits.Held(server) == nil {
		s.limits.Begin()
		s.limits.Note(server, err)
	}
	return s.limits.Held(server), s.limits.untold
}

// first returns the server that may be tried first, and why it is held.
func (s *sharedLimits) first(servers []*url.URL) (*url.URL, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.limits.First(servers)
	return first, s.limits.Held(first)
}

// delay is [Limits.Delay] for a redialer, whose wait is not longer than lookAtMost.
func (s *sharedLimits) delay(servers []*url.URL, attempts int, untold bool) (wait time.Duration, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits.untold = untold
	wait, until = s.limits.Delay(servers, attempts)
	if look := lookAtLeast + rand.N(lookAtMost-lookAtLeast); !until.IsZero() && (wait <= 0 || wait > look) {
		wait = look
	}
	return wait, until
}
