package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// local is the source of the clients of tests.
var local = netip.MustParsePrefix("127.0.0.1/32")

func here() bool { return false } // the client is not gone

// TestAdmission: connections are let through evenly. One that would wait too long is
// refused at once, and one that waits when the broker stops does not hold it up.
func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond = 200
		a := newAdmission(perSecond)
		const crowd = 10 * perSecond
		var mu sync.Mutex
		var admitted []time.Time
		refused := 0
		var wg sync.WaitGroup
		start := time.Now()
		for range crowd {
			wg.Go(func() {
				err := a.wait(netip.Prefix{}, here)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					admitted = append(admitted, time.Now())
				case !errors.Is(err, errThrottled):
					t.Error(err)
				case time.Since(start) > 0:
					t.Errorf("refused after %v", time.Since(start))
				default:
					refused++
				}
			})
		}
		wg.Wait()
		if want := int(maxAdmissionWait.Seconds()*perSecond) + 1; len(admitted) != want || refused != crowd-want {
			t.Errorf("%d admitted and %d refused, want %d admitted", len(admitted), refused, want)
		}
		for i := perSecond; i < len(admitted); i++ {
			if d := admitted[i].Sub(admitted[i-perSecond]); d < time.Second-time.Millisecond {
				t.Fatalf("more than %d in %v", perSecond, d)
			}
		}
		for _, c := range []struct {
			name string
			got  uint64
			want int
		}{{"admitted", a.admitted.Load(), len(admitted)}, {"refused", a.refused.Load(), refused}, {"waiting", uint64(a.waiting.Load()), 0}} {
			if c.got != uint64(c.want) {
				t.Errorf("counted %d %s, want %d", c.got, c.name, c.want)
			}
		}

		outcome := make(chan error)
		for range perSecond {
			go func() { outcome <- a.wait(netip.Prefix{}, here) }()
		}
		synctest.Wait()
		stopped := time.Now()
		a.close()
		ended := 0
		for range perSecond {
			if err := <-outcome; errors.Is(err, errStopping) {
				ended++
			}
		}
		if ended < perSecond-1 || time.Since(stopped) > 0 {
			t.Errorf("%d of %d waits ended %v after the stop", ended, perSecond, time.Since(stopped))
		}
		if unlimited := newAdmission(Unlimited); true {
			for range crowd {
				if err := unlimited.wait(netip.Prefix{}, here); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// TestRefusedInClearText: on both listeners a client that is turned away gets the
// words of nats-server's own limit in place of a handshake. Resumed sessions count.
func TestRefusedInClearText(t *testing.T) {
	l := newLayout(t)
	for name, mod := range map[string]func(*Config){
		"certificate of the directory": nil,
		"certificate of the NATS configuration": func(c *Config) {
			tls := fmt.Sprintf("tls { cert_file: %q, key_file: %q }", l.ServerCertFile(), l.ServerKeyFile())
			c.Dir, c.NATSConfig = "", writeNSCConfig(t, l, tls+"\nwebsocket { port: -1, "+tls+" }\n")
			c.ResolverDir, c.GuardCreds = l.ResolverDir(), l.GuardCredsFile()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := startNode(t, l, func(c *Config) {
				c.MaxConnects = 1
				if mod != nil {
					mod(c)
				}
			})
			// The guard's connection is in the process, and not counted.
			resume := &tls.Config{RootCAs: roots(t, l), ServerName: "127.0.0.1", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			if got, err := handshake(t, b.ClientURL(), resume); err != nil {
				t.Fatalf("the first: %q, %v", got, err)
			}
			b.admission.mu.Lock()
			b.admission.due = time.Now().Add(time.Hour) // no place becomes free meanwhile
			b.admission.mu.Unlock()
			for range int(maxAdmissionWait.Seconds()) + 2 { // they wait for their turn
				_ = b.admission.enqueue(local, here)
			}
			for _, address := range []string{b.ClientURL(), b.WebsocketURL()} {
				if got, err := handshake(t, address, resume); err == nil || !strings.HasPrefix(got, throttled) {
					t.Errorf("%s: %q, %v, want %q", address, got, err, throttled)
				}
			}
			if n := b.admission.refused.Load(); n != 2 {
				t.Errorf("%d refused, want 2", n)
			}
		})
	}
}

// handshake connects to a listener as clients do, and returns what came instead of
// a handshake, with the error.
func handshake(t *testing.T, address string, config *tls.Config) (instead string, err error) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if u.Scheme != "wss" { // after the greeting of NATS
		for b := []byte{0}; b[0] != '\n'; {
			if _, err := io.ReadFull(conn, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	heard := &heardConn{Conn: conn}
	client := tls.Client(heard, config)
	if err := client.Handshake(); err != nil {
		return string(heard.heard), err
	}
	_ = client.SetReadDeadline(time.Now().Add(patience))
	if u.Scheme != "wss" { // with TLS 1.3 a ticket comes with the first bytes
		_, _ = io.WriteString(client, "PING\r\n")
		_, _ = client.Read(make([]byte, 1))
	}
	return "", nil
}

type heardConn struct {
	net.Conn
	heard []byte
}

func (c *heardConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.heard = append(c.heard, b[:n]...)
	return n, err
}
