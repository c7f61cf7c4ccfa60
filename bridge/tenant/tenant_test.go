package tenant

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newPool(t *testing.T, s *natstest.Server, change func(*Config)) *Pool {
	t.Helper()
	list := List{}
	for name, account := range s.Accounts {
		list[name] = Entry{Account: account}
	}
	cfg := Config{
		ID: subjects.NewID('b'), Key: s.BridgeKey, Tenants: func() List { return list }, InProcess: s.Server,
	}
	if change != nil {
		change(&cfg)
	}
	p, err := NewPool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func acquire(t *testing.T, p *Pool, tenant string) *Conn {
	t.Helper()
	c, err := p.Acquire(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// startAgent echoes what streams bring.
func startAgent(t *testing.T, nc *nats.Conn, cluster, instance string) *natslink.Agent {
	t.Helper()
	a, err := natslink.NewAgent(nc, natslink.AgentConfig{
		Cluster: cluster, Instance: instance,
		Presence: func() subjects.Presence { return subjects.Presence{Reachable: true} },
		Stream: stream.Config{Handler: func(s *stream.Stream) {
			b, _ := io.ReadAll(s)
			_ = s.WriteFinal(b)
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func echo(t *testing.T, c *Conn, cluster, text string) {
	t.Helper()
	for a := new(directory.Attempt); ; {
		in, err := c.Directory().Pick(t.Context(), cluster, a)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Release()
		s, err := c.Open(t.Context(), cluster, in.Name(), []byte(text), true)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		b, err := io.ReadAll(s)
		if subjects.CodeOf(err) == subjects.CodeNoInstance {
			in.Lost() // the agent is not back yet
			continue
		}
		if err != nil || string(b) != text {
			t.Fatalf("echo of %q: %q, %v", text, b, err)
		}
		return
	}
}

func TestTenantsAreApart(t *testing.T) {
	s := natstest.Start(t, "acme", "lab")
	startAgent(t, s.Agent(t, "acme", "prod"), "prod", "a1")
	p := newPool(t, s, nil)
	acme, lab := acquire(t, p, "acme"), acquire(t, p, "lab")
	defer acme.Release()
	defer lab.Release()
	echo(t, acme, "prod", "hello")
	_, err := lab.Directory().Pick(t.Context(), "prod", new(directory.Attempt))
	if ue, ok := errors.AsType[*directory.UnavailableError](err); !ok || ue.State != directory.NeverConnected {
		t.Errorf("prod of the other tenant: %v, want never connected", err)
	}
	if _, err := p.Acquire(t.Context(), "nobody"); !errors.Is(err, ErrUnknown) {
		t.Errorf("unlisted tenant: %v, want ErrUnknown", err)
	}
	again := acquire(t, p, "acme")
	defer again.Release()
	if again != acme {
		t.Error("a second connection for one tenant")
	}
	if n := s.NumClients(); n != 3 {
		t.Errorf("%d connections, want the agent's and two of the bridge", n)
	}
}

func TestOverTCP(t *testing.T) {
	s := natstest.Start(t, "acme")
	startAgent(t, s.Agent(t, "acme", "prod"), "prod", "a1")
	p := newPool(t, s, func(c *Config) { c.InProcess, c.Broker = nil, s.Broker(t) })
	c := acquire(t, p, "acme")
	defer c.Release()
	echo(t, c, "prod", "hello")
}

func TestUserIsRenewedAndStreamsGoOn(t *testing.T) {
	s := natstest.Start(t, "acme")
	startAgent(t, s.Agent(t, "acme", "prod"), "prod", "a1")
	p := newPool(t, s, func(c *Config) { c.UserTTL = 10 * time.Second })
	c := acquire(t, p, "acme")
	defer c.Release()
	in, err := c.Directory().Pick(t.Context(), "prod", new(directory.Attempt))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Release()
	st, err := c.Open(t.Context(), "prod", in.Name(), []byte("one "), false)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	first := c.minted.Load()
	c.minted.Store(first - 8) // as if 8 s had passed
	newJanitor(p).sweep(time.Now())
	eventually.True(t, "a fresh user", func() bool { return c.minted.Load() >= first && c.nc.IsConnected() && c.nc.Stats().Reconnects == 1 })
	if err := st.WriteFinal([]byte("two")); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(st); err != nil || string(b) != "one two" {
		t.Errorf("stream over the renewal: %q, %v", b, err)
	}
}

func TestBrokerRestart(t *testing.T) {
	s := natstest.Start(t, "acme")
	urls := s.ClientURLs()
	startAgent(t, s.Agent(t, "acme", "prod"), "prod", "a1")
	p := newPool(t, s, func(c *Config) { c.InProcess, c.Broker = nil, natstest.Broker(t, urls...) })
	c := acquire(t, p, "acme")
	defer c.Release()
	echo(t, c, "prod", "before")
	s.Stop()
	eventually.True(t, "the directory knows", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Directory().Pick(ctx, "prod", new(directory.Attempt))
		return err != nil
	})
	s.Restart(t)
	echo(t, c, "prod", "after")
}

func TestCannotConnect(t *testing.T) {
	s := natstest.Start(t, "acme")
	wrong := natstest.Start(t, "acme") // its bridge key is in no account of s
	p := newPool(t, s, func(c *Config) {
		c.Key, c.InProcess, c.Broker = wrong.BridgeKey, nil, s.Broker(t)
		c.Directory.ReconnectGrace = 50 * time.Millisecond
	})
	c := acquire(t, p, "acme")
	defer c.Release()
	_, err := c.Directory().Pick(t.Context(), "prod", new(directory.Attempt))
	if ue, ok := errors.AsType[*directory.UnavailableError](err); !ok || ue.State != directory.Disconnected {
		t.Errorf("got %v, want disconnected", err)
	}
}

func TestCloseWhileOpening(t *testing.T) {
	s := natstest.Start(t, "acme")
	p := newPool(t, s, nil)
	done := make(chan error, 1)
	go func() {
		c, err := p.Acquire(t.Context(), "acme")
		if err == nil {
			c.Release()
		}
		done <- err
	}()
	p.Close()
	if err := <-done; err != nil && !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want nil or ErrClosed", err)
	}
	if _, err := p.Acquire(t.Context(), "acme"); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
}
