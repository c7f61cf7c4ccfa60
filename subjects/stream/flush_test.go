package stream

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestFlushedBytesOutliveReset: bytes that a side has flushed before its reset can
// be read by a reader that comes later, and after them the reset.
func TestFlushedBytesOutliveReset(t *testing.T) {
	for name, f := range map[string]faults{
		"good link": {delay: 20 * time.Millisecond},
		"bad link":  {delay: 20 * time.Millisecond, jitter: 30 * time.Millisecond, drop: 0.2, duplicate: 0.1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				want := bytes.Repeat([]byte("0123456789abcdef"), subjects.InitialWindow/16)
				flushed := make(chan error, 1)
				p := newPair(t, Config{}, f, func(s *Stream) {
					if _, err := s.Write(want); err != nil {
						t.Errorf("write: %v", err)
					}
					flushed <- s.Flush()
					s.Reset(subjects.CodeUpstream, "broke off")
				})
				defer p.close()
				s, err := p.opener.Open(t.Context(), "agent", []byte("x"), true)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if err := <-flushed; err != nil {
					t.Errorf("flush: %v", err)
				}
				<-s.Context().Done()
				got, err := io.ReadAll(s)
				if !bytes.Equal(got, want) || subjects.CodeOf(err) != subjects.CodeUpstream {
					t.Errorf("read %d bytes of %d, then %v", len(got), len(want), err)
				}
			})
		})
	}
}

// TestFlushEnds: Flush does not wait for an acknowledgement that cannot come.
func TestFlushEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p, _ := alone(t, Config{})
		defer e.Close()
		open := func() *Stream {
			s, err := e.Open(t.Context(), "other", []byte("hello"), false)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		}
		during := func(s *Stream, what func()) error {
			done := make(chan error, 1)
			go func() { done <- s.Flush() }()
			synctest.Wait()
			what()
			return <-done
		}
		s := open()
		if err := during(s, func() { e.Receive(p, ack(subjects.Ack{Stream: s.ID(), Ack: 5})) }); err != nil {
			t.Errorf("acknowledged: %v", err)
		}
		s = open()
		if err := during(s, func() { _ = s.SetWriteDeadline(time.Now().Add(time.Second)) }); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("deadline: %v", err)
		}
		s = open()
		if err := during(s, func() { e.Receive(p, ack(subjects.Ack{Stream: s.ID(), Flags: subjects.AckStop})) }); !errors.Is(err, ErrStopped) {
			t.Errorf("stopped: %v", err)
		}
		s = open()
		if err := during(s, func() { e.Receive(p, reset(s.ID(), subjects.CodeShutdown)) }); subjects.CodeOf(err) != subjects.CodeShutdown {
			t.Errorf("reset: %v", err)
		}
		s = open()
		if err := s.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := during(s, func() { e.Receive(p, ack(subjects.Ack{Stream: s.ID(), Ack: 6})) }); err != nil {
			t.Errorf("after the end: %v", err)
		}
	})
}
