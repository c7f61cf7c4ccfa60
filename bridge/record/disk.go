package record

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"time"

	"github.com/fairlead-io/fairlead/bridge/record/cast"
)

// run writes what is pending, until the session is closed.
func (s *Session) run() {
	defer close(s.done)
	t := time.NewTicker(syncInterval)
	defer t.Stop()
	var free []byte // the buffer that is not in use
	for {
		var err error
		last := false
		select {
		case <-s.wake:
		case <-t.C:
			s.syncSoon()
			err = s.medium.Present()
		case err = <-s.synced:
			s.syncing = false
		case <-s.closed:
			last = true
		}
		b := s.swap(free)
		if err == nil {
			err = s.write(b)
		}
		free = b[:0]
		if err != nil {
			s.fail(unwritable(err))
		}
		if last || err != nil {
			break
		}
	}
	<-s.closed
	s.finish()
}

// swap takes what is pending and gives an empty buffer for it.
func (s *Session) swap(free []byte) []byte {
	s.mu.Lock()
	b := s.pending
	s.pending = free
	s.mu.Unlock()
	select {
	case s.taken <- struct{}{}:
	default:
	}
	return b
}

func (s *Session) write(b []byte) error {
	n, err := s.medium.Write(b)
	_, _ = s.hash.Write(b[:n])
	s.entry.Bytes += int64(n)
	s.dirty = s.dirty || n > 0
	return err
}

// syncSoon forces what was written to the disk, while the session goes on: a busy disk
// may take seconds.
func (s *Session) syncSoon() {
	if s.syncing || !s.dirty {
		return
	}
	s.syncing, s.dirty = true, false
	go func() { s.synced <- s.medium.Sync() }()
}

// settle forces all to the disk.
func (s *Session) settle() error {
	var err error
	if s.syncing {
		err = <-s.synced
	}
	return errors.Join(err, s.medium.Sync(), s.medium.Present())
}

// finish ends the recording, or removes it if there was no session.
func (s *Session) finish() {
	switched, executed := s.began()
	count := s.recorder.counts
	defer count.active.Add(-1)
	if !executed {
		s.medium.Discard()
		s.medium.Close()
		return
	}
	s.entry.End = time.Now().UTC()
	switch cause := context.Cause(s.failed); {
	case !errors.Is(cause, errEnded):
		s.entry.Reason = cause.Error()
	case !switched:
		s.entry.Reason = errUnknown.Error()
	}
	err := s.settle()
	s.entry.SHA256 = hex.EncodeToString(s.hash.Sum(nil))
	if err == nil {
		err = s.medium.Finish(s.entry)
	}
	s.medium.Close()
	log := s.recorder.log.With("session", s.entry.ID, "request_id", s.entry.Request)
	if cause := context.Cause(s.failed); err != nil || !errors.Is(cause, errEnded) && !errors.Is(cause, errUnknown) {
		count.failed.Add(1)
	} else {
		count.kept.Add(1)
	}
	if err != nil { // Run tries again where it can
		log.Error("recording is not in the index", "error", err)
	}
	if s.entry.Reason != "" {
		log.Warn("recorded session was ended", "reason", s.entry.Reason)
	}
}

// began reports whether the connection has switched protocols, and whether a command may
// have been executed, with or without that.
func (s *Session) began() (switched, executed bool) {
	s.feeding.Lock()
	defer s.feeding.Unlock()
	switched = s.parser != nil
	return switched, switched || s.sent
}

// Close ends the recording, and waits until it is on the disk and in the index, for at
// most stall. What was never sent, or refused, leaves nothing. The other
// methods are not called any more.
func (s *Session) Close() {
	s.feeding.Lock()
	for _, rest := range s.carry[1:] {
		if len(rest) > 0 {
			_ = s.event(cast.Output, bytes.Clone(rest))
		}
	}
	if len(s.carry[0]) > 0 {
		_ = s.event(cast.Input, s.carry[0])
	}
	s.feeding.Unlock()
	s.fail(errEnded) // unless it has failed
	close(s.closed)
	t := time.NewTimer(stall)
	defer t.Stop()
	select {
	case <-s.done:
	case <-t.C:
		s.recorder.log.Error("recording has not ended in time", "session", s.entry.ID, "waited", stall)
	}
}
