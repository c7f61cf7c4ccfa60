package natslink

import "sync"

// addresses caches the subjects of the instances that streams are opened to. A
// subject is built, and the names in it are checked, once and not for each request:
// a look-up allocates nothing. The zero value is ready. It is safe for concurrent
// use.
type addresses struct {
	mu sync.RWMutex
	m  map[instanceKey]string
}

type instanceKey struct{ cluster, instance string }

// get returns the address of an instance, "" if there is none.
func (a *addresses) get(cluster, instance string) string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.m[instanceKey{cluster, instance}]
}

// keep remembers the address of an instance, whose names have been checked, until
// forget.
func (a *addresses) keep(cluster, instance, to string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.m == nil {
		a.m = make(map[instanceKey]string)
	}
	a.m[instanceKey{cluster, instance}] = to
}

// forget drops an instance.
func (a *addresses) forget(cluster, instance string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.m, instanceKey{cluster, instance})
}

// senders maps the subjects of arriving frames to who sends there, which is a pointer. A
// look-up allocates nothing. The zero value is ready. It is safe for concurrent use.
type senders[S comparable] struct {
	mu sync.RWMutex
	m  map[string]S
}

// get returns who sends to a subject, nil if that is not known.
func (s *senders[S]) get(subject []byte) S {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[string(subject)]
}

// keep remembers who sends to a subject, until forget or drop.
func (s *senders[S]) keep(subject string, sender S) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = make(map[string]S)
	}
	s.m[subject] = sender
}

// forget drops whoever sends to a subject.
func (s *senders[S]) forget(subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, subject)
}

// drop drops a sender, unless there is another one by now.
func (s *senders[S]) drop(subject string, sender S) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m[subject] == sender {
		delete(s.m, subject)
	}
}
