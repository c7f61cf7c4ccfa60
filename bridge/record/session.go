package record

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/record/cast"
	"github.com/fairlead-io/fairlead/bridge/record/wire"
)

const (
	// maxPending bounds the bytes that wait for the disk: what it takes in a moment.
	maxPending = 1 << 20
	// stall is how long a session waits for the disk, once maxPending is reached, and
	// at its end. Events of audit have the same.
	stall = 10 * time.Second
	// maxOver bounds what a recording that is full may still take, so that its session
	// ends between two frames: a frame of SPDY has up to 16 MiB.
	maxOver = 32 << 20
	// syncInterval is how often a recording is forced to the disk while it grows, and
	// looked for in its directory.
	syncInterval = 5 * time.Second
)

var (
	errStalled = fmt.Errorf("the disk has taken nothing for %v", stall)
	errGone    = errors.New("its file is gone")
	errEnded   = errors.New("it has ended")
	errUnknown = errors.New("outcome unknown")
)

// Session is one recording. Sent, NotSwitched, Switched, FromClient, ToClient, Failed and
// Farewell are those of a tap of the tunnel, for its two goroutines; FromClient and
// ToClient return an error if the session must end.
type Session struct {
	recorder *Recorder
	config   Config
	// Of the goroutine that writes, once it runs.
	medium Medium
	hash   hash.Hash
	entry  Entry
	dirty  bool // not yet forced to the disk
	// syncing: it is being forced to the disk, and synced will say how that went.
	syncing bool
	synced  chan error

	failed context.Context
	fail   context.CancelCauseFunc
	wake   chan struct{} // there is something to write
	taken  chan struct{} // there is room again
	closed chan struct{}
	done   chan struct{}

	feeding sync.Mutex  // guards what follows; taken before mu
	sent    bool        // a command may have been executed
	parser  wire.Parser // nil: the connection has not switched
	carry   [3][]byte   // of each stream, a character that has not arrived whole
	resizes resizes
	full    bool // the recording is as large as it may be

	mu      sync.Mutex // guards what follows
	pending []byte
	size    int64 // of the recording, with what is pending
}

func newSession(r *Recorder, c Config, m Medium, e Entry) *Session {
	s := &Session{
		recorder: r, config: c, medium: m, entry: e, hash: sha256.New(),
		wake: make(chan struct{}, 1), taken: make(chan struct{}, 1), closed: make(chan struct{}), done: make(chan struct{}),
		synced: make(chan error, 1),
	}
	s.failed, s.fail = context.WithCancelCause(context.Background())
	return s
}

// Sent notes that the request goes to its cluster. Whatever happens then, the recording
// stays, unless NotSwitched says that there was no session.
func (s *Session) Sent() {
	s.feeding.Lock()
	defer s.feeding.Unlock()
	s.sent = true
}

// NotSwitched notes that the connection has not switched protocols. unknown is why nobody
// knows whether a command was executed, nil if none was.
func (s *Session) NotSwitched(unknown error) {
	s.feeding.Lock()
	defer s.feeding.Unlock()
	if unknown == nil {
		s.sent = false
		return
	}
	s.fail(fmt.Errorf("%w: %w", errUnknown, unknown)) // unless it has failed
}

// Switched begins the session with the header of a 101.
func (s *Session) Switched(protocol string, header http.Header) error {
	s.feeding.Lock()
	defer s.feeding.Unlock()
	p, err := wire.New(protocol, header, s)
	if err != nil {
		return s.end(fmt.Errorf("the session cannot be recorded: %w", err))
	}
	s.parser = p
	return nil
}

// FromClient takes what the client sends, before it goes on.
func (s *Session) FromClient(b []byte) error {
	s.feeding.Lock()
	defer s.feeding.Unlock()
	return s.feed(b, s.parser.FromClient)
}

// ToClient takes what the client gets, before it does, and returns how much of it may
// go on. A recording that is full ends between two frames, so that the client can be
// told why.
func (s *Session) ToClient(b []byte) (n int, err error) {
	s.feeding.Lock()
	defer s.feeding.Unlock()
	for n < len(b) {
		k := len(b) - n
		if s.full {
			rest := s.parser.Rest()
			if rest == 0 {
				return n, s.end(s.errFull())
			}
			k = min(k, rest)
		}
		if err := s.feed(b[n:n+k], s.parser.ToClient); err != nil {
			return n, err
		}
		n += k
	}
	return n, nil
}

func (s *Session) errFull() error {
	return fmt.Errorf("the session has reached the size of the largest recording, %s", Size(s.config.maxSession()))
}

// feed parses bytes. The caller holds feeding.
func (s *Session) feed(b []byte, parse func([]byte) error) error {
	if cause := context.Cause(s.failed); cause != nil {
		return cause
	}
	if err := parse(b); err != nil {
		if cause := context.Cause(s.failed); cause != nil {
			return cause
		}
		return s.end(fmt.Errorf("the session cannot be recorded: %w", err))
	}
	return nil
}

// Failed ends when the session must end, with the reason as its cause.
func (s *Session) Failed() context.Context { return s.failed }

// Farewell returns bytes that end the session for its client with a reason, nil if
// there are none.
func (s *Session) Farewell(reason string) []byte {
	s.feeding.Lock()
	defer s.feeding.Unlock()
	return s.parser.Farewell(reason)
}

// end makes the session fail, and returns why it did.
func (s *Session) end(cause error) error {
	s.fail(cause)
	return context.Cause(s.failed)
}

// Data implements [wire.Sink]. The caller holds feeding, by way of feed.
func (s *Session) Data(c wire.Channel, b []byte) error {
	switch c {
	case wire.Stdout, wire.Stderr:
		return s.text(c, cast.Output, b)
	case wire.Stdin:
		if s.config.Input {
			return s.text(c, cast.Input, b)
		}
	case wire.Resize:
		for _, size := range s.resizes.add(b) {
			if err := s.event(cast.Resize, []byte(size)); err != nil {
				return err
			}
		}
	case wire.Error:
		return s.event(cast.Marker, b)
	}
	return nil
}

// text records bytes of a stream. A character that has not arrived whole waits.
func (s *Session) text(c wire.Channel, code cast.Code, b []byte) error {
	if carry := s.carry[c]; len(carry) > 0 {
		b = append(carry, b...)
		s.carry[c] = nil
	}
	n := cast.Split(b)
	if n < len(b) {
		s.carry[c] = bytes.Clone(b[n:])
	}
	if n == 0 {
		return nil
	}
	return s.event(code, b[:n])
}

// event appends an event, once there is room.
func (s *Session) event(code cast.Code, text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) >= maxPending {
		if err := s.await(); err != nil {
			return err
		}
	}
	before := len(s.pending)
	s.pending = cast.AppendEvent(s.pending, time.Since(s.entry.Start), code, text)
	s.size += int64(len(s.pending) - before)
	s.full = s.size > s.config.maxSession()
	if s.size > s.config.maxSession()+maxOver {
		return s.end(s.errFull())
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// await waits for room. The caller holds mu, which is free meanwhile for the goroutine
// that writes.
func (s *Session) await() error {
	s.mu.Unlock()
	defer s.mu.Lock()
	t := time.NewTimer(stall)
	defer t.Stop()
	select {
	case <-s.taken:
		return nil
	case <-s.failed.Done():
		return context.Cause(s.failed)
	case <-t.C:
		return s.end(unwritable(errStalled))
	}
}

func unwritable(err error) error {
	return fmt.Errorf("the session was ended because its recording cannot be written: %w", withoutPath(err))
}
