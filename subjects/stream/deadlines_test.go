package stream

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestDeadlineAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, echo)
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", []byte("x"), false)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.SetDeadline(time.Now().Add(time.Hour))
		s.Close()
		done := make(chan struct{})
		go func() {
			_ = s.SetDeadline(time.Now().Add(time.Hour))
			_ = s.SetDeadline(time.Time{})
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(time.Second):
			t.Fatal("SetDeadline hangs on a stream that has ended")
		}
		if _, err := s.Read(make([]byte, 1)); subjects.CodeOf(err) != subjects.CodeCanceled {
			t.Errorf("read after Close: %v", err)
		}
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) { <-s.Context().Done() })
		defer p.close()
		s, err := p.opener.Open(t.Context(), "agent", []byte("x"), false)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		start := time.Now()
		_ = s.SetReadDeadline(start.Add(time.Second))
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("read: %v after %v, want the deadline after 1 s", err, time.Since(start))
		}
		// A deadline set while a call waits counts for that call.
		go func() {
			time.Sleep(time.Second)
			_ = s.SetWriteDeadline(time.Now())
		}()
		n, err := s.Write(make([]byte, 2<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n > subjects.InitialWindow {
			t.Errorf("write took %d bytes and gave %v, want a window's worth and the deadline", n, err)
		}
		if s.Err() != nil {
			t.Errorf("a deadline ended the stream: %v", s.Err())
		}
		_ = s.SetDeadline(time.Time{})
		go func() {
			time.Sleep(time.Minute)
			s.Close()
		}()
		if _, err := s.Read(make([]byte, 1)); subjects.CodeOf(err) != subjects.CodeCanceled {
			t.Errorf("read without a deadline: %v", err)
		}
	})
}
