package limit

import (
	"fmt"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// kind says what a limit is about.
type kind int

const (
	ofCaller kind = iota
	ofGrant
	ofCluster
	kinds
)

func (k kind) String() string { return [kinds]string{"caller", "grant", "cluster"}[k] }

// resource is what a limit bounds.
type resource int

const (
	requests resource = iota
	concurrent
	streams
	resources
)

func (r resource) String() string {
	return [resources]string{"requests", "concurrent-requests", "streams"}[r]
}

// How long callers should wait that are over a limit for which it is not known when
// there will be room. A request takes well below a second as a rule, a stream lasts.
const (
	retryConcurrent = time.Second
	retryStream     = 5 * time.Second
)

// scope is a caller, a grant or a cluster, with what is used of its limits.
type scope struct {
	kind  kind
	name  string
	many  bool  // callers of many names, which count as one
	users int   // of the lru, whose mutex guards it
	gate  *gate // of a cluster or a grant
	pace  *pace // of a cluster, in place of requests
	pipe  *pipe // lets everything through unless bytes are limited

	mu       sync.Mutex
	limits   Limits // the part of this bridge
	version  uint64 // of the limiter that limits are of
	requests bucket // while limits has a rate
	running  int    // requests other than streams
	streamed int    // streams
}

// configure makes the limits l hold from now on, unless those that do are of a later
// version. What is used stays.
func (s *scope) configure(l Limits, version uint64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version < s.version {
		return
	}
	s.version = version
	if s.limits == l {
		return
	}
	s.limits = l
	s.pipe.setRate(l.BytesPerSecond, now)
	if s.gate != nil {
		s.gate.setLimit(int(l.ConcurrentRequests))
	}
	burst := l.Burst
	if burst == 0 {
		burst = defaultBurst(l.RequestsPerSecond)
	}
	switch {
	case s.pace != nil:
		s.pace.set(float64(l.RequestsPerSecond), float64(burst), now)
	case l.RequestsPerSecond == 0:
		s.requests = bucket{}
	default:
		s.requests.set(float64(l.RequestsPerSecond), float64(burst), now)
	}
}

// occupy counts a request that is to run. It returns why it may not.
func (s *scope) occupy(stream bool) *answer.Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch l := &s.limits; {
	case stream && l.Streams > 0 && s.streamed >= int(l.Streams):
		return s.refuse(streams, int64(l.Streams), retryStream)
	case stream:
		s.streamed++
	case s.gate == nil && l.ConcurrentRequests > 0 && s.running >= int(l.ConcurrentRequests):
		return s.refuse(concurrent, int64(l.ConcurrentRequests), retryConcurrent)
	default:
		s.running++
	}
	return nil
}

// vacate undoes occupy.
func (s *scope) vacate(stream bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stream {
		s.streamed--
	} else {
		s.running--
	}
}

// spend takes a request from the rate of a caller or grant, or says why that is not
// possible.
func (s *scope) spend(now time.Time) *answer.Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limits.RequestsPerSecond == 0 {
		return nil
	}
	if wait := s.requests.take(1, now); wait > 0 {
		return s.overRate(wait)
	}
	return nil
}

// unspend gives a request back to the rate.
func (s *scope) unspend() {
	if s.pace != nil {
		s.pace.give()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests.give(1)
}

// late is the failure of a request that has not been in time for the rate of a cluster,
// but would be after a wait.
func (s *scope) late(wait time.Duration) *answer.Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limits.RequestsPerSecond == 0 { // since a moment ago
		return answer.Failf(answer.Overloaded, "the limit of %s has changed while the request waited; it was not executed", s)
	}
	return s.overRate(wait)
}

// overRate is the failure of a request that would be in time after a wait. The caller
// holds mu.
func (s *scope) overRate(wait time.Duration) *answer.Failure {
	per := float64(s.limits.RequestsPerSecond)
	amount, window := int64(per), time.Second
	if per < 1 {
		amount, window = 1, time.Duration(float64(time.Second)/per)
	}
	f := answer.Failf(answer.RateLimited, "%s is over its limit of %.4g requests a second at this bridge; nothing was executed", s, per)
	f.Quota = &answer.Quota{Policy: s.kind.String() + "-requests", Amount: amount, Unit: answer.UnitRequests, Window: window, After: wait}
	return f
}

// refuse is the failure of a request that would be one too many at a time.
func (s *scope) refuse(r resource, limit int64, after time.Duration) *answer.Failure {
	what := "concurrent requests"
	if r == streams {
		what = "streams (watches, followed logs, sessions)"
	}
	f := answer.Failf(answer.RateLimited, "%s is at its limit of %d %s at this bridge; nothing was executed", s, limit, what)
	f.Quota = &answer.Quota{Policy: s.kind.String() + "-" + r.String(), Amount: limit, Unit: answer.UnitConcurrent, After: after}
	return f
}

// busy is the failure of a request that has waited for its turn in vain.
func (s *scope) busy() *answer.Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limits.ConcurrentRequests > 0 {
		return s.refuse(concurrent, int64(s.limits.ConcurrentRequests), retryConcurrent)
	}
	if s.kind == ofGrant { // since a moment ago
		return answer.Failf(answer.Overloaded, "the limit of %s has changed while the request waited; it was not executed", s)
	}
	return answer.Failf(answer.Overloaded, "the agents of %s take no more requests, and this one waited in vain; it was not executed", s)
}

// String is the scope in a sentence.
func (s *scope) String() string {
	if s.many {
		return fmt.Sprintf("the group of callers that are counted by %q", answer.Clip(s.name))
	}
	return fmt.Sprintf("%s %q", s.kind, answer.Clip(s.name))
}
