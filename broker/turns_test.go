package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// source returns one of the sources 0 to 65535.
func source(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)
}

// TestFloodOfOneSource: a source that fills the queue, and goes on, delays another one by a
// turn of each that waits, whether its clients stay or hang up at once.
func TestFloodOfOneSource(t *testing.T) {
	for name, gone := range map[string]bool{"its clients stay": false, "its clients hang up": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const perSecond, honest = 200, 50
				a := newAdmission(perSecond)
				var wg sync.WaitGroup
				call := func() { _ = a.wait(source(0), func() bool { return gone }) }
				for range 10 * perSecond {
					wg.Go(call)
				}
				ended := make(chan struct{})
				wg.Go(func() {
					for tick := time.NewTicker(time.Millisecond); ; {
						select {
						case <-tick.C:
							wg.Go(call)
						case <-ended:
							tick.Stop()
							return
						}
					}
				})
				synctest.Wait()
				var calls sync.WaitGroup
				for i := range honest {
					calls.Go(func() {
						time.Sleep(time.Duration(rand.IntN(4000)) * time.Millisecond)
						began := time.Now()
						if err := a.wait(source(i+1), here); err != nil {
							t.Errorf("source %d: %v", i+1, err)
						}
						// Each waits for a turn of each source, and all are in the same second at worst.
						if took, bound := time.Since(began), time.Second; took > bound {
							t.Errorf("source %d waited %v, want at most %v", i+1, took, bound)
						}
					})
				}
				calls.Wait()
				close(ended)
				a.close()
				wg.Wait()
			})
		})
	}
}

// TestSharedAddress: 1,000 agents behind one address use the whole rate while no other
// source waits, and no turn is lost while one does.
func TestSharedAddress(t *testing.T) {
	for _, c := range []struct {
		others int
		bound  time.Duration
	}{{0, 5 * time.Second}, {250, 5 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			a := newAdmission(200)
			var wg sync.WaitGroup
			var in atomic.Int64
			start := time.Now()
			for i := range 1000 {
				from := source(0)
				if i < c.others {
					from = source(1)
				}
				wg.Go(func() {
					if a.wait(from, here) == nil {
						in.Add(1)
					}
				})
			}
			wg.Wait()
			if took := time.Since(start); in.Load() != 1000 || took > c.bound {
				t.Errorf("%d others: %d in after %v", c.others, in.Load(), took)
			}
		})
	}
}

// TestTurnsOfTheGone: the turns of clients that hang up are for others.
func TestTurnsOfTheGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(1)
		var hangUp atomic.Bool
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if err := a.wait(source(0), hangUp.Load); err != nil && !errors.Is(err, errGone) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if err := a.wait(source(0), here); !errors.Is(err, errThrottled) {
			t.Errorf("one too many: %v", err)
		}
		hangUp.Store(true)
		time.Sleep(2 * lookAfter)
		synctest.Wait()
		if n := a.waiting.Load(); n != 0 {
			t.Errorf("%d wait, and their clients are gone", n)
		}
		start := time.Now()
		if err := a.wait(source(0), here); err != nil || time.Since(start) > time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		wg.Wait()
	})
}

// TestLongestLineLosesPlaces: with all places taken, those of the longest line go to shorter
// ones, until all are of the same length.
func TestLongestLineLosesPlaces(t *testing.T) {
	q := turns{places: 10, networks: map[netip.Prefix]*network{}}
	for range 10 {
		q.join(source(0), here)
	}
	for i := range 20 {
		q.join(source(1+i%4), here)
	}
	for i := range 5 {
		if n := q.line(source(i)).turns.Len(); n != 2 {
			t.Errorf("source %d has %d places, want 2", i, n)
		}
	}
	seen := map[*line]int{}
	for i := range 10 {
		turn := q.pop()
		if seen[turn.line]++; seen[turn.line] != 1+i/5 {
			t.Errorf("turn %d is of a source that has had %d", i, seen[turn.line]-1)
		}
	}
	if q.pop() != nil || len(q.networks) != 0 || q.order.Len() != 0 || q.waiting != 0 {
		t.Errorf("left behind: %+v", q)
	}
}

// TestFloodOfOneNetwork: who has a whole /48 of IPv6 gets no more turns than one source
// elsewhere, and a small source beside it in the same network still gets its own.
func TestFloodOfOneNetwork(t *testing.T) {
	address := func(network, subnet int) netip.Prefix {
		a := [16]byte{0x20, 0x01, 0x0d, 0xb8, byte(network >> 8), byte(network), byte(subnet >> 8), byte(subnet)}
		return netip.PrefixFrom(netip.AddrFrom16(a), 64)
	}
	synctest.Test(t, func(t *testing.T) {
		const perSecond = 200
		a := newAdmission(perSecond)
		var wg sync.WaitGroup
		for i := range 10 * perSecond { // each from another /64
			wg.Go(func() { _ = a.wait(address(1, i), here) })
		}
		synctest.Wait()
		var calls sync.WaitGroup
		for i := range 50 {
			calls.Go(func() {
				began := time.Now()
				if err := a.wait(address(2+i, 0), here); err != nil || time.Since(began) > time.Second {
					t.Errorf("network %d: %v after %v", 2+i, err, time.Since(began))
				}
			})
		}
		calls.Wait()
		a.close()
		wg.Wait()
	})
	q := turns{places: 10, networks: map[netip.Prefix]*network{}}
	for range 10 {
		q.join(address(1, 0), here)
	}
	if turn, lost := q.join(address(1, 1), here); turn == nil || lost == nil || lost.line.source != address(1, 0) {
		t.Errorf("a source beside a large one in its network: %v, %v", turn, lost)
	}
	if q.waiting != 10 {
		t.Errorf("%d wait in 10 places", q.waiting)
	}
}

func TestSourceOf(t *testing.T) {
	for from, want := range map[string]string{
		"192.0.2.7:1":              "192.0.2.7/32",
		"[::ffff:192.0.2.7]:2":     "192.0.2.7/32",
		"[2001:db8:1:2:3:4:5:6]:3": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:4":         "fe80::/64",
	} {
		if got := sourceOf(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))).String(); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
	if sourceOf(&net.UnixAddr{}) != sourceOf(nil) {
		t.Error("other addresses are not one source")
	}
}

// TestHungUpClients: on both listeners a client that closes its connection while it waits
// does not wait any longer.
func TestHungUpClients(t *testing.T) {
	l := newLayout(t)
	b := startNode(t, l, func(c *Config) { c.MaxConnects = 1 })
	config := &tls.Config{RootCAs: roots(t, l), ServerName: "127.0.0.1"}
	for range 5 {
		_ = b.admission.enqueue(local, here)
	}
	for _, address := range []string{b.ClientURL(), b.WebsocketURL()} {
		t.Run(strings.SplitN(address, ":", 2)[0], func(t *testing.T) {
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", u.Host)
			if err != nil {
				t.Fatal(err)
			}
			if u.Scheme != "wss" { // the greeting
				_, _ = conn.Read(make([]byte, 1<<10))
			}
			done := make(chan struct{})
			go func() { defer close(done); _ = tls.Client(conn, config).Handshake() }()
			began := time.Now()
			eventually.Nil(t, "its turn to be queued", func() error { return waiting(b, 1) })
			_ = conn.Close()
			<-done
			eventually.Nil(t, "its turn to be given up", func() error { return waiting(b, 0) })
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it waited for %v", took)
			}
		})
	}
}

func waiting(b *Broker, want int64) error {
	if n := b.admission.waiting.Load(); n != want {
		return fmt.Errorf("%d wait, want %d", n, want)
	}
	return nil
}
