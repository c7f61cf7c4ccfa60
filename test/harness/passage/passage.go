package passage

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// Passage is a way to a server. It is safe for concurrent use, except that Open and Close
// are for one goroutine.
type Passage struct {
	target string

	mu       sync.Mutex // guards the rest
	address  string
	listener net.Listener
	open     map[net.Conn]bool
	gone     chan struct{} // closed with the passage
	flows    chan struct{} // closed while what is sent passes
	all      sync.WaitGroup
}

// New opens a passage to an address, from a port of the loopback address that is the
// test's, so that the passage can be opened again. It is closed when the test ends.
func New(t testing.TB, target string) *Passage {
	t.Helper()
	p := &Passage{address: freeport.AddressFor(t), target: target, open: map[net.Conn]bool{}, flows: make(chan struct{})}
	close(p.flows)
	p.Open(t)
	t.Cleanup(p.Close)
	return p
}

// Address is where the passage begins.
func (p *Passage) Address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.address
}

// Open opens a passage that was closed.
func (p *Passage) Open(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener, p.address, p.gone = l, l.Addr().String(), make(chan struct{})
	p.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.all.Go(func() { p.pass(l, c) })
		}
	})
}

// Stall makes all connections stay, new ones too, and nothing of what is sent arrive, until
// Resume or Close: as with packets that are lost, for TCP sends them again. It may not be
// stalled already.
func (p *Passage) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flows = make(chan struct{})
}

// Resume ends [Passage.Stall]: what was sent meanwhile arrives.
func (p *Passage) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.flows)
}

// pass connects a connection of a listener with the server until either ends.
func (p *Passage) pass(l net.Listener, c net.Conn) {
	defer c.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	if p.listener != l {
		p.mu.Unlock()
		return
	}
	p.open[c], p.open[server] = true, true
	p.mu.Unlock()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{c, server}, {server, c}} {
		p.all.Go(func() {
			_, _ = io.Copy(sink{p, way[0]}, way[1])
			done <- struct{}{}
		})
	}
	<-done
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	delete(p.open, server)
}

// sink writes to a connection as soon as what is sent passes.
type sink struct {
	p *Passage
	w io.Writer
}

func (s sink) Write(b []byte) (int, error) {
	s.p.mu.Lock()
	gone, flows := s.p.gone, s.p.flows
	s.p.mu.Unlock()
	select {
	case <-flows:
	case <-gone:
		return 0, net.ErrClosed
	}
	return s.w.Write(b)
}

// Close closes the passage and all connections in it.
func (p *Passage) Close() {
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close()
		close(p.gone)
	}
	p.listener = nil
	for c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.all.Wait()
}
