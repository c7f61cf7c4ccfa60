package lane

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// scripted is a connection that brings pieces.
type scripted struct {
	net.Conn // nil: nothing else is called
	pieces   [][]byte
}

func (s *scripted) SetDeadline(time.Time) error { return nil }

func (s *scripted) Read(b []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

// collector is a sink that writes down what it gets.
type collector struct{ got *[]string }

func (c collector) Receive(payload []byte) {
	*c.got = append(*c.got, string(payload))
	for i := range payload { // the sink keeps it: nobody may read it afterwards
		payload[i] = '!'
	}
}

// read returns what is taken from the pieces, by subjects with the prefix "take.", and what
// nats.go reads, which has a buffer of the given size.
func read(t testing.TB, buffer int, pieces ...[]byte) (taken []string, left string) {
	t.Helper()
	l := new(Lane)
	l.Take(func(subject []byte) Sink {
		if !bytes.HasPrefix(subject, []byte("take.")) {
			return nil
		}
		return collector{&taken}
	})
	c := l.Wrap(&scripted{pieces: pieces})
	var all []byte
	b := make([]byte, buffer)
	for {
		n, err := c.Read(b)
		all = append(all, b[:n]...)
		if err == io.EOF || err == errMalformed {
			return taken, string(all)
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			t.Fatal("Read returned nothing and no error")
		}
	}
}

func msg(subject, payload string) string {
	return fmt.Sprintf("MSG %s 7 %d\r\n%s\r\n", subject, len(payload), payload)
}

// TestRead: each kind of line and message, in pieces of all sizes.
func TestRead(t *testing.T) {
	lines := strings.Repeat("PING\r\nMSG take.b 1 3\r\nabc\r\n", 3) // as a payload it is none of ours
	whole := "INFO {\"server_id\":\"M\",\"x\":\"MSG take.a 1 1\"}\r\n+OK\r\nPONG\r\n" +
		msg("take.a", "first") + msg("other", lines) + "PING\r\n" + msg("take.a", "") +
		"MSG take.b 12 reply.to 4\r\n\r\n\r\n\r\n" + // a payload of line breaks, with a reply
		"HMSG take.a 7 12 14\r\nNATS/1.0\r\n\r\nhi\r\n" +
		msg("take.c", lines) + msg("taken", "no") + "-ERR 'Some'\r\n" + msg("take.a", "last")
	wantTaken := []string{"first", "", "\r\n\r\n", lines, "last"}
	wantLeft := "INFO {\"server_id\":\"M\",\"x\":\"MSG take.a 1 1\"}\r\n+OK\r\nPONG\r\n" + msg("other", lines) + "PING\r\n" +
		"HMSG take.a 7 12 14\r\nNATS/1.0\r\n\r\nhi\r\n" + msg("taken", "no") + "-ERR 'Some'\r\n"
	for size := 1; size <= len(whole); size++ {
		for _, buffer := range []int{32 << 10, 64} {
			taken, left := read(t, buffer, slices.Collect(slices.Chunk([]byte(whole), size))...)
			if !slices.Equal(taken, wantTaken) || left != wantLeft {
				t.Fatalf("in pieces of %d, read by %d: taken %q, left %q; want %q and %q", size, buffer, taken, left, wantTaken, wantLeft)
			}
		}
	}
}

// TestReadLarge: messages up to the largest frame are taken, whatever the pieces; larger ones
// are not ours.
func TestReadLarge(t *testing.T) {
	large := strings.Repeat("x\n", subjects.MaxMessage/2)
	for _, size := range []int{1000, 16 << 10, 64 << 10, 1 << 20} {
		taken, left := read(t, 32<<10, slices.Collect(slices.Chunk([]byte(msg("take.a", large)+msg("take.a", large+"x")+msg("take.a", "z")), size))...)
		if !slices.Equal(taken, []string{large, "z"}) || left != msg("take.a", large+"x") {
			t.Errorf("in pieces of %d: %d taken, %d bytes left", size, len(taken), len(left))
		}
	}
}

// TestLongLine: a sender who fills the line that a broker reads does not end the lane.
func TestLongLine(t *testing.T) {
	line := "MSG other 12345 " + strings.Repeat("r", 4096-len("other  2")) + " 2\r\nhi\r\n"
	for _, size := range []int{1, 4096, 4100} {
		taken, left := read(t, 32<<10, slices.Collect(slices.Chunk([]byte(line+msg("take.a", "x")), size))...)
		if !slices.Equal(taken, []string{"x"}) || left != line {
			t.Errorf("in pieces of %d: taken %q, left %d bytes", size, taken, len(left))
		}
	}
}

// TestNotUnderstood: from a line on that is not of the protocol, everything is nats.go's. It
// says what is wrong.
func TestNotUnderstood(t *testing.T) {
	for name, line := range map[string]string{
		"no size":         "MSG take.a 1\r\n",
		"no subject":      "MSG  1 2\r\n",
		"size in letters": "MSG take.a 1 x\r\n",
		"negative":        "MSG take.a 1 -1\r\n",
		"plus":            "MSG take.a 1 +1\r\n",
		"huge":            "MSG take.a 1 99999999999999999999\r\n",
		"nothing":         "MSG\r\n",
		"another verb":    "MOG take.a 1 1\r\n",
		"another case":    "Msg take.a 1 1\r\n",
		"lower case":      "msg other 1 22\r\nMSG take.a 1 5\r\nhello\r\n", // a payload, to nats.go
		"no CR":           "MSG take.a 1 1\n",
		"long":            "MSG " + strings.Repeat("x", maxLine+10),
	} {
		rest := line + "x\r\n" + msg("take.a", "later")
		for _, size := range []int{1, 5, 1 << 20} {
			taken, left := read(t, 32<<10, slices.Collect(slices.Chunk([]byte(msg("take.a", "before")+rest), size))...)
			if !slices.Equal(taken, []string{"before"}) || left != rest {
				t.Errorf("%s, in pieces of %d: taken %q, left %q", name, size, taken, left)
			}
		}
	}
}

// TestWithoutLineBreak: a message that does not end where it says ends the connection.
func TestWithoutLineBreak(t *testing.T) {
	for _, size := range []int{1, 1 << 10} {
		l := new(Lane)
		var got []string
		l.Take(func([]byte) Sink { return collector{&got} })
		c := l.Wrap(&scripted{pieces: slices.Collect(slices.Chunk([]byte("PING\r\nMSG a 1 2\r\nxyz\r\n"+msg("a", "x")), size))})
		left, err := io.ReadAll(c)
		if string(left) != "PING\r\n" || err != errMalformed || len(got) > 0 {
			t.Errorf("left %q, taken %q, %v", left, got, err)
		}
		if _, err := c.Read(make([]byte, 10)); err != errMalformed {
			t.Errorf("read again: %v", err)
		}
	}
}

// TestTakeNothing: without Take, and after Take(nil), all is nats.go's.
func TestTakeNothing(t *testing.T) {
	l := new(Lane)
	l.Take(func([]byte) Sink { panic("called") })
	l.Take(nil)
	for _, l := range []*Lane{new(Lane), l} {
		all, err := io.ReadAll(l.Wrap(&scripted{pieces: [][]byte{[]byte(msg("take.a", "x"))}}))
		if string(all) != msg("take.a", "x") || err != nil {
			t.Errorf("read %q, %v", all, err)
		}
	}
}

// FuzzRead: however a stream is cut, the same is taken and the same is left, and both together
// are the stream.
func FuzzRead(f *testing.F) {
	f.Add([]byte("INFO {}\r\n"+msg("take.a", "hello")+"PING\r\n"+msg("b", "MSG take.a 1 1\r\n")+"HMSG take.a 1 2 3\r\nabc\r\n"), uint8(3))
	f.Add([]byte("MSG take.a 1 5\r\nhel"), uint8(1))
	f.Add([]byte("MSG take.a 1 0\r\n\r\nMSG x"), uint8(2))
	f.Fuzz(func(t *testing.T, whole []byte, size uint8) {
		taken, left := read(t, 32<<10, slices.Clone(whole))
		again, rest := read(t, 32<<10, slices.Collect(slices.Chunk(slices.Clone(whole), int(size)+1))...)
		if !slices.Equal(taken, again) {
			t.Fatalf("taken %q in one piece, %q in pieces", taken, again)
		}
		// The beginning of a message that never ends is not given to nats.go.
		if left != rest {
			t.Fatalf("left %q in one piece, %q in pieces", left, rest)
		}
		at := 0
		for _, p := range taken { // in this order they are in the stream, with their line before them
			i := bytes.Index(whole[at:], []byte("\n"+p+"\r\n"))
			if i < 0 {
				t.Fatalf("%q was taken and never sent", p)
			}
			at += i + len(p) + 1
		}
	})
}
