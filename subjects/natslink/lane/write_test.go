package lane

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// established returns nats.go's side of a connection after the greeting, with an open lane,
// and the broker's side.
func established(t testing.TB) (*Lane, net.Conn, net.Conn) {
	t.Helper()
	ours, broker := net.Pipe()
	l := &Lane{WriteTimeout: 10 * time.Second}
	c := l.Wrap(ours)
	t.Cleanup(func() { _ = c.Close(); _ = broker.Close() })
	if err := c.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	l.present().open()
	return l, c, broker
}

// TestOpen: messages are published from Open on, until the connection ends or nats.go has
// another one.
func TestOpen(t *testing.T) {
	ours, broker := net.Pipe()
	defer broker.Close()
	l := &Lane{WriteTimeout: time.Second}
	publish := func() error { return l.publish("a", "", nil) }
	if err := publish(); !errors.Is(err, errNotOpen) {
		t.Errorf("without a connection: %v", err)
	}
	c := l.Wrap(ours)
	l.present().open()
	if err := publish(); !errors.Is(err, errNotOpen) {
		t.Errorf("during the greeting: %v", err)
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := publish(); !errors.Is(err, errNotOpen) {
		t.Errorf("before Open: %v", err)
	}
	l.present().open()
	go func() { _, _ = io.Copy(io.Discard, broker) }()
	if err := publish(); err != nil {
		t.Errorf("after Open: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	l.present().open()
	if err := publish(); !errors.Is(err, errNotOpen) {
		t.Errorf("after the end: %v", err)
	}
	var none *Lane
	none.Take(nil)
}

// TestPublish: what the broker gets.
func TestPublish(t *testing.T) {
	l, _, broker := established(t)
	for _, c := range []struct{ subject, reply, payload, want string }{
		{"a.b", "", "hello", "PUB a.b 5\r\nhello\r\n"},
		{"a.b", "r.1", "", "PUB a.b r.1 0\r\n\r\n"},
		{"a", "", "x\r\nPUB y 1\r\n", "PUB a 12\r\nx\r\nPUB y 1\r\n\r\n"},
	} {
		got := make([]byte, len(c.want))
		done := make(chan error, 1)
		go func() { done <- l.publish(c.subject, c.reply, []byte(c.payload)) }()
		if _, err := io.ReadFull(broker, got); err != nil || string(got) != c.want {
			t.Fatalf("%q, %v; want %q", got, err, c.want)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// TestConcurrentWriters: messages of many publishers, and nats.go's own writes, arrive whole,
// each once, and those of one goroutine in their order. nats.go's are not kept waiting.
func TestConcurrentWriters(t *testing.T) {
	const publishers, messages = 16, 300
	l, c, broker := established(t)
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			pad := strings.Repeat("x", p*500) // up to more than a small frame
			for i := range messages {
				payload := fmt.Sprintf("%d %d %s", p, i, pad)
				if err := l.publish("frames", "", []byte(payload)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for range messages {
			b := []byte("PUB nats.go 0\r\n\r\n")
			if n, err := c.Write(b); n != len(b) || err != nil {
				t.Errorf("nats.go wrote %d bytes: %v", n, err)
				return
			}
		}
	})
	r, next, own := bufio.NewReader(broker), make([]int, publishers), 0
	for range (publishers + 1) * messages {
		var subject string
		var size, p, i int
		if _, err := fmt.Fscanf(r, "PUB %s %d\r\n", &subject, &size); err != nil {
			t.Fatal(err)
		}
		payload := make([]byte, size+2)
		if _, err := io.ReadFull(r, payload); err != nil || string(payload[size:]) != "\r\n" {
			t.Fatalf("%q: %v", payload, err)
		}
		if subject == "nats.go" {
			own++
			continue
		}
		if _, err := fmt.Sscanf(string(payload), "%d %d", &p, &i); err != nil || i != next[p] {
			t.Fatalf("%.20q of publisher %d came where %d was next", payload, p, next[p])
		}
		next[p]++
	}
	wg.Wait()
	if own != messages {
		t.Errorf("%d of nats.go's %d writes arrived", own, messages)
	}
}

// TestNatsGoIsNotStarved: publishers that never pause do not keep nats.go from answering a PING.
func TestNatsGoIsNotStarved(t *testing.T) {
	l, c, broker := established(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			payload := make([]byte, 20<<10)
			for {
				select {
				case <-stop:
					return
				default:
					_ = l.publish("bulk", "", payload)
				}
			}
		})
	}
	go func() { _, _ = io.Copy(io.Discard, broker) }()
	for range 100 {
		if _, err := c.Write([]byte("PONG\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
}

// TestStuck: what waits for a broker that reads nothing is bounded. After the time-out the
// connection is closed, and everybody who waited is told.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c, broker := established(t)
		began := time.Now()
		var taken, refused int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				err := l.publish("a", "", make([]byte, 1<<10))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					taken++
				} else {
					refused++
				}
			})
		}
		synctest.Wait()
		wg.Go(func() {
			if _, err := c.Write([]byte("PONG\r\n")); err == nil {
				t.Error("nats.go's write succeeded")
			}
		})
		synctest.Wait()
		mu.Lock()
		if taken > 2*maxWaiting>>10 { // what is written, and what waits
			t.Errorf("%d messages of 1 KiB were taken", taken)
		}
		mu.Unlock()
		wg.Wait()
		if d := time.Since(began); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("it took %v, want 10 to 11 s", d)
		}
		if refused == 0 || taken+refused != 100 {
			t.Errorf("%d taken and %d refused", taken, refused)
		}
		if _, err := broker.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is still open")
		}
	})
}

// failing fails to write at some time, after half of the bytes.
type failing struct {
	net.Conn
	left   int
	closed bool
}

func (f *failing) SetDeadline(time.Time) error      { return nil }
func (f *failing) SetWriteDeadline(time.Time) error { return nil }
func (f *failing) Close() error                     { f.closed = true; return nil }

func (f *failing) Write(b []byte) (int, error) {
	if f.closed {
		return 0, net.ErrClosed
	}
	if f.left--; f.left < 0 {
		return len(b) / 2, os.ErrDeadlineExceeded
	}
	return len(b), nil
}

// TestWriteFails: a message of which only a part was written ends the connection.
func TestWriteFails(t *testing.T) {
	f := &failing{left: 1}
	l := &Lane{WriteTimeout: time.Second}
	c := l.Wrap(f)
	_ = c.SetDeadline(time.Time{})
	l.present().open()
	for i, want := range []error{nil, nil, errNotOpen} { // of the second one nobody can know
		if err := l.publish("a", "", []byte("x")); !errors.Is(err, want) {
			t.Errorf("message %d: %v, want %v", i, err, want)
		}
	}
	if !f.closed {
		t.Error("the connection is still open")
	}
	if _, err := c.Write([]byte("PING\r\n")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nats.go's write: %v", err)
	}
}

// TestReadTellsOfTheWrite: when a write fails, nats.go, which only reads, learns why.
func TestReadTellsOfTheWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c, _ := established(t)
		read := make(chan error)
		go func() {
			_, err := c.Read(make([]byte, 10))
			read <- err
		}()
		_ = l.publish("a", "", nil) // the broker reads nothing
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
	})
}

// TestForeignProtocol: nothing is published where something else is spoken, such as the
// WebSocket of nats.go.
func TestForeignProtocol(t *testing.T) {
	l := new(Lane)
	c := l.Wrap(&scripted{pieces: [][]byte{[]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n")}})
	if _, err := c.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Time{})
	l.present().open()
	if err := l.publish("a", "", nil); !errors.Is(err, errNotOpen) {
		t.Errorf("publish: %v", err)
	}
}

// TestWriteDeadline: nats.go, which removes the deadline after each of its writes, does not
// remove that of another's.
func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c, _ := established(t)
		began, failed := time.Now(), make(chan struct{})
		go func() {
			defer close(failed)
			for l.publish("a", "", make([]byte, maxWaiting)) == nil {
			}
		}()
		synctest.Wait()
		if err := c.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		<-failed
		if d := time.Since(began); d > 11*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

// BenchmarkBlocked: many publishers of large messages, who wait for each other.
func BenchmarkBlocked(b *testing.B) {
	const publishers = 1 << 10
	l, _, broker := established(b)
	go func() { _, _ = io.Copy(io.Discard, broker) }()
	payload := make([]byte, 32000)
	b.SetBytes(int64(len(payload)))
	b.ResetTimer()
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := p; i < b.N; i += publishers {
				_ = l.publish("a", "", payload)
			}
		})
	}
	wg.Wait()
}

func BenchmarkPublish(b *testing.B) {
	l, _, broker := established(b)
	go func() { _, _ = io.Copy(io.Discard, broker) }()
	payload := make([]byte, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.publish("fairlead.v1.up.b1.prod.a1", "", payload); err != nil {
			b.Fatal(err)
		}
	}
}
