package tenant

import "sync"

// state is the state of a connection at one moment.
type state struct {
	up      bool
	refusal error // why the broker refuses the bridge; nil: it does not
	failure error // why the last attempt to connect failed without a refusal; nil: none has
	broken  error // why it cannot be opened; nil: it can or has been
	retired error // why the connection was retired; nil: it is in use
}

// status is the one place that is notified of a connection's state. It passes changes
// on to goroutines that wait for one and, through Conn, to the directory. It is safe
// for concurrent use; its zero value is ready.
type status struct {
	mu      sync.Mutex
	state   state
	changed chan struct{} // closed at the next change; nil: no one waits
}

// get returns the state and a channel that is closed when it has changed.
func (s *status) get() (state, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.state, s.changed
}

// whileInUse calls f under the lock, unless the connection was retired; then it
// returns why.
func (s *status) whileInUse(f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.retired == nil {
		f()
	}
	return s.state.retired
}

// change lets f change the state, unless the connection was retired, since the
// directory may have another connection by then. It reports whether f was called. f
// runs under the lock, so that the directory is notified of changes in order.
func (s *status) change(f func(*state)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.retired != nil {
		return false
	}
	f(&s.state)
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return true
}
