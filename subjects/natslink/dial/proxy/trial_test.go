package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// TestWrongPasswordIsSentOnce: a bridge connects once for each tenant, through one proxy and
// at the same moment. The others wait for the outcome of the first.
func TestWrongPasswordIsSentOnce(t *testing.T) {
	const clients = 20
	var left, sent atomic.Int32
	everyone := make(chan struct{})
	arrive := func() {
		if left.Add(-1) == 0 {
			close(everyone)
		}
	}
	refuses := func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			req, err := http.ReadRequest(r)
			switch {
			case err != nil:
				return
			case req.Header.Get("Proxy-Authorization") == "":
				arrive()
			default:
				sent.Add(1)
				waitFor(everyone)
			}
			_, _ = io.WriteString(c, "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
		}
	}
	socks := &socksProxy{credentials: "u:p"}
	for scheme, serve := range map[string]func(net.Conn){
		"http":    refuses,
		"socks5h": func(c net.Conn) { arrive(); waitFor(everyone); socks.greet(c) },
	} {
		t.Run(scheme, func(t *testing.T) {
			var all sync.WaitGroup
			left.Store(clients)
			everyone = make(chan struct{})
			address := scheme + "://u:" + secret + "@" + listen(t, serve)
			how := Proxies{Logins: new(Logins)}
			for range clients {
				all.Go(func() {
					_, err := reach(t, how, address, "b.example:4222")
					if f := cause.Of(err); f == nil || f.Cause != cause.ProxyAuthRequired || !strings.Contains(f.Got, "does not accept the user") {
						t.Error(err)
					}
				})
			}
			all.Wait()
		})
	}
	socks.mu.Lock()
	defer socks.mu.Unlock()
	if sent.Load() != 1 || socks.logins != 1 {
		t.Errorf("the password was sent %d and %d times, want once", sent.Load(), socks.logins)
	}
}

func waitFor(event <-chan struct{}) {
	select {
	case <-event:
	case <-time.After(5 * time.Second):
	}
}

// crowd logs in several times at the same moment.
type crowd struct {
	logins *Logins
	tunnel *tunnel
	sent   atomic.Int32
}

func newCrowd() *crowd {
	l := new(Logins)
	at, _ := url.Parse("http://p:3128")
	return &crowd{logins: l, tunnel: &tunnel{proxies: &Proxies{Logins: l}, proxy: at, server: "b:1", creds: &credentials{user: "u", password: "a", from: "in a file"}}}
}

// login sends the password, as outcome says after some time.
func (c *crowd) login(ctx context.Context, takes time.Duration, outcome func()) error {
	end, err := c.logins.begin(ctx, c.tunnel)
	if err != nil {
		return err
	}
	defer end()
	c.sent.Add(1)
	select {
	case <-time.After(takes):
		outcome()
	case <-ctx.Done():
	}
	return ctx.Err()
}

// all has ten log in, and returns after which time the last was done.
func (c *crowd) all(takes time.Duration, outcome func()) time.Duration {
	began := time.Now()
	c.sent.Store(0)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { _ = c.login(context.Background(), takes, outcome) })
	}
	wg.Wait()
	return time.Since(began)
}

func (c *crowd) accepted() { c.logins.note(c.tunnel, nil) }
func (c *crowd) refused()  { _ = c.tunnel.notAccepted("", "") }

// TestLoginsRunSideBySide: once one was accepted, for as long as the password has hardly
// changed. A refusal ends that at once.
func TestLoginsRunSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd()
		want := func(what string, got, want time.Duration, sent int32) {
			t.Helper()
			if got != want || c.sent.Load() != sent {
				t.Errorf("%s: %d logins in %v, want %d in %v", what, c.sent.Load(), got, sent, want)
			}
		}
		want("at first", c.all(time.Second, c.accepted), 2*time.Second, 10)
		want("soon after", c.all(time.Second, c.accepted), time.Second, 10)
		time.Sleep(acceptedFor)
		want("later", c.all(time.Second, c.refused), time.Second, 1)
		want("after the refusal", c.all(time.Second, c.refused), 0, 0)
		time.Sleep(firstPause)
		want("after the pause", c.all(time.Second, c.accepted), 2*time.Second, 10)
		c.refused()
		time.Sleep(firstPause)
		want("refused and at once accepted", c.all(time.Second, c.accepted), 2*time.Second, 10)
	})
}

// TestTrialWithoutAnOutcome: if the first gives up, the next one takes over, and one that
// takes too long is not waited for. Who waits gives up in its own time.
func TestTrialWithoutAnOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = c.login(ctx, time.Hour, c.accepted) })
		synctest.Wait()
		time.AfterFunc(time.Second, cancel)
		if took := c.all(time.Second, c.refused); took != 2*time.Second || c.sent.Load() != 1 {
			t.Errorf("after a cancelled one: %d logins in %v, want 1 in 2 s", c.sent.Load(), took)
		}
		wg.Wait()

		c = newCrowd()
		slow, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		wg.Go(func() { _ = c.login(slow, time.Hour, c.accepted) })
		synctest.Wait()
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := c.login(hasty, 0, c.accepted)
		wantFailure(t, err, cause.Proxy, cause.Timeout, "another login with the user and password in a file")
		if took := c.all(time.Second, c.accepted); took != trialTime+time.Second || c.sent.Load() != 10 {
			t.Errorf("beside a slow one: %d logins in %v, want 10 in %v", c.sent.Load(), took, trialTime+time.Second)
		}
		wg.Wait()
		if k := c.logins.known[c.tunnel.login()]; len(c.logins.known) != 1 || k.trial != nil {
			t.Errorf("a trial is left: %+v", c.logins.known)
		}
	})
}
