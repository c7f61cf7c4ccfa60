package stream

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestStalledReaderHurtsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Config{}, faults{delay: time.Millisecond}, func(s *Stream) {
			b, _ := s.Next()
			if string(b) == "bulk" {
				_, _ = s.ReadFrom(endless{})
				return
			}
			_ = s.WriteFinal(b)
		})
		defer p.close()
		var stalled []*Stream
		for range 50 {
			s, err := p.opener.Open(t.Context(), "agent", []byte("bulk"), true)
			if err != nil {
				t.Fatal(err)
			}
			stalled = append(stalled, s)
		}
		time.Sleep(10 * time.Second)
		for i, s := range stalled {
			if n := s.Buffered(); n > subjects.InitialWindow {
				t.Errorf("stalled stream %d holds %d bytes, its window is %d", i, n, subjects.InitialWindow)
			}
		}
		kept := 0
		for _, s := range p.acceptor.AddPeer("bridge").snapshot() {
			s.mu.Lock()
			for _, f := range s.send.kept {
				kept += len(f.Buf)
			}
			s.mu.Unlock()
		}
		if kept > 0 {
			t.Errorf("the sender keeps %d bytes that have arrived", kept)
		}
		start := time.Now()
		s, err := p.opener.Open(t.Context(), "agent", []byte("small"), true)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(s)
		if string(got) != "small" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		if d := time.Since(start); d > 3*time.Millisecond {
			t.Errorf("a request beside 50 stalled readers took %v, the path takes 2 ms", d)
		}
		for _, s := range stalled {
			s.Close()
		}
		p.empty(t)
	})
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestWindowGrowsOnlyOnLongPaths(t *testing.T) {
	rate := func(t *testing.T, delay time.Duration) (mbps float64, window int) {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, Config{}, faults{delay: delay}, func(s *Stream) { _, _ = s.ReadFrom(endless{}) })
			defer p.close()
			s, err := p.opener.Open(t.Context(), "agent", nil, true)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			start, n := time.Now(), 0
			for time.Since(start) < 20*time.Second && n < 200<<20 {
				b, err := s.Next()
				if err != nil {
					t.Fatal(err)
				}
				n += len(b)
			}
			mbps = float64(n) / time.Since(start).Seconds() / 1e6
			s.mu.Lock()
			window = s.recv.Window
			s.mu.Unlock()
		})
		return mbps, window
	}
	long, window := rate(t, 25*time.Millisecond)
	t.Logf("50 ms round trip: %.0f MB/s, window %d", long, window)
	if long < 30 || window != subjects.MaxWindow {
		t.Errorf("a 50 ms path moves %.0f MB/s with a window of %d, want over 30 and %d", long, window, subjects.MaxWindow)
	}
}

// TestGatheringSparesMessages: small pieces are gathered in the engine's own memory,
// not in the link's memory behind a message.
func TestGatheringSparesMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScene(t, true)
		defer c.e.Close()
		buffer := make([]byte, 8<<10)
		offset := uint64(0)
		feed := func(n int) {
			m := append(buffer[:0:subjects.DataHeaderLen+4<<10], data(0, 7, offset, long(n))...)
			c.e.Receive(c.p, m)
			offset += uint64(n)
		}
		for range 8 {
			c.e.Receive(c.p, data(0, 7, offset, "x"))
			offset++
		}
		feed(2000)
		c.e.Receive(c.p, data(0, 7, offset, "a small one"))
		if tail := buffer[subjects.DataHeaderLen+2000:]; !bytes.Equal(tail, make([]byte, len(tail))) {
			t.Error("memory behind a message was written to")
		}
	})
}

// TestWriteToNoticesShortWrites: the bytes that a writer leaves are lost, and
// must not be so without a word.
func TestWriteToNoticesShortWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScene(t, true)
		defer c.e.Close()
		c.e.Receive(c.p, dataAck(fin, 7, 0, 5, limit, "hello"))
		if n, err := c.s.WriteTo(short{}); n != 1 || err != io.ErrShortWrite {
			t.Errorf("wrote %d, %v; want 1 and %v", n, err, io.ErrShortWrite)
		}
	})
}

type short struct{}

func (short) Write([]byte) (int, error) { return 1, nil }
