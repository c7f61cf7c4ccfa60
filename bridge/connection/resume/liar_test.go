package resume

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// script is a transport that brings some messages, and then nothing.
type script struct {
	messages [][]byte
	sent     [][]byte
}

func (s *script) Send(_ context.Context, b []byte) error {
	s.sent = append(s.sent, bytes.Clone(b))
	return nil
}

func (*script) Close() {}

func (s *script) Receive(ctx context.Context) ([]byte, error) {
	if len(s.messages) > 0 {
		b := s.messages[0]
		s.messages = s.messages[1:]
		return b, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func of(k kind, offset uint64, rest string) []byte { return append(header(nil, k, offset), rest...) }

// TestALiarBreaksItsOwnConnection: whatever contradicts what came before ends the
// connection with [ErrProtocol].
func TestALiarBreaksItsOwnConnection(t *testing.T) {
	large := make([][]byte, 0, Window/maxData+1)
	for i := range Window/maxData + 1 {
		large = append(large, of(data, uint64(i*maxData), string(make([]byte, maxData))))
	}
	for name, messages := range map[string][][]byte{
		"empty":                  {{}},
		"unknown":                {{7}},
		"zero":                   {{0}},
		"no offset":              {{byte(data)}},
		"endless offset":         {append([]byte{byte(data)}, bytes.Repeat([]byte{0xff}, 12)...)},
		"a gap":                  {of(data, 1, "x")},
		"behind the end":         {of(half, 0, ""), of(data, 0, "x")},
		"an end in the midst":    {of(data, 0, "xyz"), of(half, 2, "")},
		"an end beyond":          {of(closed, 9, "")},
		"consumed too much":      {of(consumed, 5, "")},
		"consumed no end":        {of(consumed, 4, "")},
		"more than the window":   large,
		"a novel for a reason":   {of(broken, 0, string(make([]byte, maxReason+1)))},
		"an offset that is huge": {of(data, 1<<63, "x")},
		"a message that is huge": {make([]byte, MaxMessage+1)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(Config{Silence: time.Minute})
				if _, err := c.Write([]byte("abc")); err != nil {
					t.Fatal(err)
				}
				err := c.Attach(t.Context(), &script{messages: messages}, 0)
				if !errors.Is(err, ErrProtocol) || !errors.Is(c.Err(), ErrProtocol) {
					t.Errorf("attachment %v, connection %v", err, c.Err())
				}
				if _, err := io.ReadAll(c); err != nil && !errors.Is(err, ErrProtocol) {
					t.Error(err)
				}
				if err := c.Attach(t.Context(), &script{}, 0); !errors.Is(err, ErrProtocol) {
					t.Errorf("attached again: %v", err)
				}
			})
		})
	}
	for received, ok := range map[uint64]bool{0: true, 3: true, 4: false, 1 << 63: false} {
		synctest.Test(t, func(t *testing.T) {
			c := New(Config{Silence: time.Minute})
			_, _ = c.Write([]byte("abc"))
			if err := c.Attach(t.Context(), &script{}, received); ok == errors.Is(err, ErrProtocol) {
				t.Errorf("received %d: %v", received, err)
			}
		})
	}
}

// FuzzMessages: no sequence of messages panics, blocks, or makes an end keep more than its
// window; what is read is what the messages said, in order.
func FuzzMessages(f *testing.F) {
	f.Add([]byte("\x03\x01\x00a\x03\x01\x00b\x02\x03\x02"))
	f.Add([]byte("\x03\x01\x00a\x02\x04\x01\x02\x02\x04"))
	f.Add([]byte("\x01\x06\x09\x05\x00because"))
	f.Fuzz(func(t *testing.T, all []byte) {
		c := New(Config{Silence: time.Minute})
		_, _ = c.Write([]byte("abc"))
		_ = c.CloseWrite()
		var want []byte
		for len(all) > 0 {
			n := min(int(all[0]), len(all)-1)
			b := all[1 : 1+n]
			all = all[1+n:]
			m, err := parse(b)
			if err == nil {
				if m.kind == data && m.offset <= uint64(len(want)) && m.offset+uint64(len(m.rest)) > uint64(len(want)) && c.in.end == nil {
					want = append(want, m.rest[uint64(len(want))-m.offset:]...)
				}
				err = c.take(m)
			}
			if err != nil {
				if !errors.Is(err, ErrProtocol) {
					t.Fatal(err)
				}
				c.Fail(err)
				break
			}
			s := sender{conn: c}
			for range 10 {
				b, _, _ := s.message()
				if b == nil {
					break
				}
				if m, err := parse(bytes.Clone(b)); err != nil || m.kind != ping && len(b) < 1+len(binary.AppendUvarint(nil, m.offset)) {
					t.Fatalf("sends %q: %v", b, err)
				}
				s.sent()
			}
		}
		c.Fail(io.ErrClosedPipe) // so that reading ends
		got, err := io.ReadAll(c)
		if !bytes.Equal(got, want) {
			t.Errorf("read %q of %q, %v", got, want, err)
		}
		c.Done()
		_ = c.Close()
	})
}

// TestAnAttachmentOfThePastEndsNothing: a request to attach that was on its way while a later
// one was served is refused. The later attachment and the connection go on.
func TestAnAttachmentOfThePastEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Silence: time.Minute})
		_, _ = c.Write([]byte("abc"))
		live := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { live <- c.Attach(ctx, &script{messages: [][]byte{of(consumed, 3, "")}}, 0) }()
		synctest.Wait()
		if err := c.Detach(0); !errors.Is(err, ErrStale) {
			t.Errorf("detached by one of the past: %v", err)
		}
		if err := c.Attach(t.Context(), &script{}, 2); !errors.Is(err, ErrStale) {
			t.Errorf("attached: %v", err)
		}
		synctest.Wait()
		select {
		case err := <-live:
			t.Errorf("the later attachment ended: %v", err)
		default:
		}
		if err := c.Err(); err != nil {
			t.Errorf("the connection is over: %v", err)
		}
		if err := c.Detach(3); err != nil {
			t.Errorf("the next attachment: %v", err)
		}
		if err := <-live; !errors.Is(err, errReplaced) {
			t.Errorf("the attachment ended by %v", err)
		}
		cancel()
	})
}
