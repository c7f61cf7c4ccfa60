package natslink

import (
	"io"
	"net"
	"sync"
	"testing"
)

// relay is a path to the broker that can be cut, mended and silenced.
type relay struct {
	listener net.Listener
	broker   string
	wg       sync.WaitGroup

	mu    sync.Mutex // guards what follows
	cut   bool
	mute  bool
	conns map[net.Conn]bool
}

func startRelay(t testing.TB, broker string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, broker: broker, conns: map[net.Conn]bool{}}
	r.wg.Go(r.accept)
	t.Cleanup(func() {
		_ = l.Close()
		r.set(true)
		r.wg.Wait()
	})
	return r
}

func (r *relay) url() string { return "nats://" + r.listener.Addr().String() }

// set cuts every connection, as the kernel does for a process that is killed,
// and refuses new ones until it is set back.
func (r *relay) set(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
	for c := range r.conns {
		if cut {
			_ = c.Close()
		}
	}
}

func (r *relay) accept() {
	for {
		in, err := r.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", r.broker)
		if err != nil {
			_ = in.Close()
			continue
		}
		r.mu.Lock()
		if r.cut {
			_, _ = in.Close(), out.Close()
			r.mu.Unlock()
			continue
		}
		r.conns[in], r.conns[out] = true, true
		r.mu.Unlock()
		r.wg.Go(func() { r.carry(in, out) })
		r.wg.Go(func() { r.carry(out, in) })
	}
}

// silence drops all bytes from now on, as a path does that has broken somewhere.
func (r *relay) silence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mute = true
}

func (r *relay) carry(to, from net.Conn) {
	_, _ = io.Copy(writerFunc(func(b []byte) (int, error) {
		r.mu.Lock()
		mute := r.mute
		r.mu.Unlock()
		if mute {
			return len(b), nil
		}
		return to.Write(b)
	}), from)
	_, _ = to.Close(), from.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, to)
	delete(r.conns, from)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
