package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestChaos lets clients do everything at once that streams allow, over a path
// that loses, repeats, delays and breaks, on one side or on both, with and
// without the endpoints being told. Whatever happens: bytes are those sent, a
// request is executed at most once and never where its code says that it was
// not, and once the path is well again all ends and nothing is left.
func TestChaos(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { chaos(t, seed) })
		})
	}
}

// request is what a client asks for in chaos: it begins with its number and
// what the handler shall do.
type request struct {
	number uint32
	what   byte
	size   int
}

const (
	doEcho  = iota // answer with the body
	doCount        // read the body, answer with many bytes
	doEarly        // answer at once, read nothing
	doWatch        // answer in small pieces until cancelled
	doReset        // reset
	doPanic        // die
	doAll
)

func (q request) encode() []byte {
	b := binary.BigEndian.AppendUint32(nil, q.number)
	return binary.BigEndian.AppendUint32(append(b, q.what), uint32(q.size))
}

const requestLen = 9

// pattern is the body of request number n in one direction, from offset on.
func pattern(n uint32, b []byte, offset int) []byte {
	for i := range b {
		x := uint32(offset+i)/3*2654435761 + n
		b[i] = byte(x >> 11)
	}
	return b
}

// check reads to the end and compares.
func check(r io.Reader, n uint32) (int, error) {
	buf, want, total := make([]byte, 8<<10), make([]byte, 8<<10), 0
	for {
		k, err := r.Read(buf)
		if !bytes.Equal(buf[:k], pattern(n, want[:k], total)) {
			return total, fmt.Errorf("request %d: other bytes after offset %d", n, total)
		}
		total += k
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return total, err
		}
	}
}

func write(s *Stream, n uint32, size int, r *rand.Rand) error {
	for sent := 0; sent < size; {
		k := min(1+r.IntN(40_000), size-sent)
		if r.IntN(4) == 0 {
			k = min(1+r.IntN(20), k)
		}
		if _, err := s.Write(pattern(n, make([]byte, k), sent)); err != nil {
			return err
		}
		sent += k
	}
	return s.CloseWrite()
}

func chaos(t *testing.T, seed uint64) {
	f := faults{delay: 5 * time.Millisecond, jitter: 5 * time.Millisecond, drop: 0.01, duplicate: 0.01}
	var mu sync.Mutex
	executed := map[uint32]int{}
	p := newPair(t, Config{MaxStreams: 25}, f, func(s *Stream) {
		b := make([]byte, requestLen)
		if _, err := io.ReadFull(s, b); err != nil {
			return
		}
		q := request{binary.BigEndian.Uint32(b), b[4], int(binary.BigEndian.Uint32(b[5:]))}
		mu.Lock()
		executed[q.number]++
		mu.Unlock()
		serve(t, s, q)
	})
	defer p.close()

	start, stop := time.Now(), make(chan struct{})
	var breaker, clients sync.WaitGroup
	var outcomes [32]int
	defer func() {
		o, a := p.opener.Stats(), p.acceptor.Stats()
		t.Logf("outcomes by code %v; resent %d and %d, peers lost %d and %d, refused %d", outcomes, o.Resent, a.Resent, o.PeersLost, a.PeersLost, a.Refused)
	}()
	breaker.Go(func() { p.breakThings(rand.New(rand.NewPCG(seed, 9)), stop) })
	for c := range 30 {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(100+c)))
			for i := 0; time.Since(start) < 30*time.Second; i++ {
				q := request{uint32(c*1000 + i), byte(r.IntN(doAll)), r.IntN(300_000)}
				err := ask(t, p.opener, q, r)
				mu.Lock()
				n := executed[q.number]
				outcomes[subjects.CodeOf(err)]++
				mu.Unlock()
				if n > 1 || n == 1 && subjects.CodeOf(err).NotExecuted() {
					t.Errorf("request %d was executed %d times and ended with %v", q.number, n, err)
				}
				if subjects.CodeOf(err).NotExecuted() {
					time.Sleep(100 * time.Millisecond) // refused at once: later perhaps
				}
				if n == 0 && err == nil {
					t.Errorf("request %d was answered, but not executed", q.number)
				}
			}
		})
	}
	time.Sleep(30 * time.Second)
	close(stop)
	breaker.Wait()
	clients.Wait()
	p.empty(t)
	time.Sleep(3 * time.Second)
	for _, e := range []*Endpoint{p.opener, p.acceptor} {
		for _, q := range e.all() {
			q.mu.Lock()
			if len(q.work.unconfirmed) > 0 || q.budget.used != 0 || len(q.budget.waiters) > 0 {
				t.Errorf("left: %d resets, %d bytes of budget, %d waiters", len(q.work.unconfirmed), q.budget.used, len(q.budget.waiters))
			}
			q.mu.Unlock()
		}
		if e.grown.Load() != 0 || e.pool.Running() != 0 {
			t.Errorf("left: %d bytes of windows, %d handlers", e.grown.Load(), e.pool.Running())
		}
	}
}

func serve(t *testing.T, s *Stream, q request) {
	r := rand.New(rand.NewPCG(uint64(q.number), 4))
	switch q.what {
	case doEcho:
		_, _ = s.ReadFrom(readerOnly{s})
		_ = s.CloseWrite()
	case doCount:
		if _, err := check(s, q.number); err == nil {
			_ = write(s, q.number, 2*q.size, r)
		} else if subjects.CodeOf(err) == 0 {
			t.Error(err)
		}
	case doEarly:
		_ = write(s, q.number, 10, r)
	case doWatch:
		for i := 0; s.Context().Err() == nil; i += 10 {
			if _, err := s.Write(pattern(q.number, make([]byte, 10), i)); err != nil {
				return
			}
			select {
			case <-time.After(time.Second):
			case <-s.Context().Done():
			}
		}
	case doReset:
		s.Reset(subjects.CodeUpstream, "")
	case doPanic:
		panic("chaos")
	}
}

// ask makes one request and returns how it ended. Other bytes than those sent
// fail the test.
func ask(t *testing.T, e *Endpoint, q request, r *rand.Rand) error {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if q.what == doWatch || r.IntN(5) == 0 {
		after := time.Duration(r.IntN(20_000)) * time.Millisecond
		stop := time.AfterFunc(after, cancel)
		defer stop.Stop()
	}
	s, err := e.Open(ctx, "agent", q.encode(), false)
	if err != nil {
		return err
	}
	defer s.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = write(s, q.number, q.size, rand.New(rand.NewPCG(uint64(q.number), 5)))
	}()
	switch {
	case r.IntN(10) == 0:
		s.StopReading()
		<-sent
		return io.ErrClosedPipe // nobody knows
	case r.IntN(4) == 0: // a slow reader
		_, err = check(readSlowly{s}, q.number)
	default:
		_, err = check(s, q.number)
	}
	if err != nil && subjects.CodeOf(err) == 0 {
		t.Error(err)
	}
	s.Close()
	<-sent
	return err
}

type readSlowly struct{ io.Reader }

func (r readSlowly) Read(b []byte) (int, error) {
	time.Sleep(20 * time.Millisecond)
	return r.Reader.Read(b)
}

// breakThings until stop is closed; then all is well again.
func (p *pair) breakThings(r *rand.Rand, stop chan struct{}) {
	pause := func(ms int) bool {
		select {
		case <-stop:
			return false
		case <-time.After(time.Duration(r.IntN(ms)) * time.Millisecond):
			return true
		}
	}
	none := func([]byte) bool { return true }
	for pause(6000) {
		ways := [2]*wire{p.down, p.up}
		ends := [2]*Endpoint{p.opener, p.acceptor}
		i := r.IntN(2)
		switch r.IntN(5) {
		case 0: // a broken connection, some messages late
			p.cut(r.IntN(20), time.Duration(r.IntN(300))*time.Millisecond)
			pause(4000)
			p.restore()
		case 1: // one side's connection: both ways are dead, one side knows
			ends[i].LinkDown()
			p.down.cut(0, 0)
			p.up.cut(0, 0)
			pause(3000)
			p.down.restore()
			p.up.restore()
			ends[i].LinkUp()
		case 2: // a burst of loss that is not reported
			ways[i].losing(none)
			pause(500)
			ways[i].losing(nil)
		case 3: // one way is dead for long
			ways[i].losing(none)
			pause(25_000)
			ways[i].losing(nil)
		case 4: // drained, and taken back
			p.acceptor.Refuse(subjects.CodeDraining)
			pause(500)
			p.acceptor.Refuse(0)
		}
	}
}
