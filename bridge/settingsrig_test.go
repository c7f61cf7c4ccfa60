package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/settings"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	wire "github.com/fairlead-io/fairlead/subjects/settings"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// settingsRig is a bridge that keeps settings in a store.
type settingsRig struct {
	*rig
	t      *testing.T
	events *events.Memory
	stop   func() // ends the delivery, as the end of the bridge does
}

func newSettingsRig(t *testing.T, b *storetest.Brokers, o rigOptions) *settingsRig {
	t.Helper()
	s := &settingsRig{t: t, events: events.NewMemory()}
	more := o.config
	o.config = func(c *Config) {
		c.ID = subjects.NewID('b')
		st, err := store.Open(store.Config{ID: c.ID, Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: c.Logger})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(st.Close)
		c.Store, c.Events = st, s.events
		if more != nil {
			more(c)
		}
	}
	s.rig = newRig(t, o)
	ctx, cancel := context.WithCancel(context.Background())
	var ran sync.WaitGroup
	ran.Go(func() { _ = s.server.Settings(ctx) })
	s.stop = func() { cancel(); ran.Wait() }
	t.Cleanup(s.stop)
	s.eventually("the store is read", func() bool {
		res, _ := s.do(s.h1, s.request("GET", "/v1/settings", nil))
		return res.StatusCode == http.StatusOK
	})
	return s
}

func settingsPath(cluster string) string { return "/v1/clusters/" + cluster + "/settings" }

// call makes a request of the admin about the settings of a cluster.
func (s *settingsRig) call(method, cluster, body string, header ...string) (*http.Response, string) {
	s.t.Helper()
	req := s.request(method, settingsPath(cluster), strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return s.do(s.h1, req)
}

// put puts settings, and returns the answer.
func (s *settingsRig) put(cluster, body string) api.ClusterSettings {
	s.t.Helper()
	res, text := s.call("PUT", cluster, body)
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusCreated {
		s.t.Fatalf("PUT %s: %d %s", body, res.StatusCode, text)
	}
	return decode[api.ClusterSettings](s.t, text)
}

func (s *settingsRig) get(cluster string) api.ClusterSettings {
	s.t.Helper()
	res, text := s.call("GET", cluster, "")
	if res.StatusCode != http.StatusOK {
		s.t.Fatalf("GET: %d %s", res.StatusCode, text)
	}
	return decode[api.ClusterSettings](s.t, text)
}

// becomes waits until the settings of a cluster are in a state.
func (s *settingsRig) becomes(cluster string, want api.SettingsState) (got api.ClusterSettings) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("settings of %s to be %s", cluster, want), func() bool {
		got = s.get(cluster)
		return got.State == want
	})
	return got
}

// setAgent is an agent that applies settings, by the real agent's own part.
type setAgent struct {
	*settings.Applier
	link     *natslink.Agent
	instance string
	level    slog.LevelVar
	narrow   atomic.Pointer[wire.Restriction]
	messages atomic.Int32 // with settings
	stop     func()
}

// settable connects an agent whose owner lets the platform set some fields.
func (s *settingsRig) settable(tenant, cluster string, accept []string, own map[string]string) *setAgent {
	s.t.Helper()
	return s.settableAs(subjects.NewID('a'), tenant, cluster, accept, own)
}

func (s *settingsRig) settableAs(instance, tenant, cluster string, accept []string, own map[string]string) *setAgent {
	s.t.Helper()
	a := &setAgent{instance: instance}
	ready := make(chan struct{})
	a.Applier = settings.New(settings.Config{
		Accept: accept, Labels: own, LogLevel: &a.level, SetMaxStreams: func(int) {},
		Restrict: func(r *wire.Restriction) { a.narrow.Store(r) }, Announce: func() { <-ready; a.link.Announce() }, Logger: slog.New(slog.DiscardHandler),
	})
	var err error
	a.link, err = natslink.NewAgent(s.nats.Agent(s.t, tenant, cluster), natslink.AgentConfig{
		Cluster: cluster, Instance: instance, Stream: stream.Config{Handler: func(*stream.Stream) {}},
		Presence: func() subjects.Presence {
			return subjects.Presence{Version: "v1", Started: time.Now(), Reachable: true, Labels: a.Labels(), Settings: a.State()}
		},
		Settings: func(message []byte) { a.messages.Add(1); a.Receive(message) },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	close(ready)
	ctx, cancel := context.WithCancel(context.Background())
	var ran sync.WaitGroup
	ran.Go(func() { a.Run(ctx) })
	a.stop = sync.OnceFunc(func() {
		cancel()
		ran.Wait()
		_ = a.link.Close()
	})
	s.t.Cleanup(a.stop)
	return a
}

// happened waits for an event of a type.
func (s *settingsRig) happened(want api.EventType) (got api.Event) {
	s.t.Helper()
	s.eventually("an event "+string(want), func() bool {
		page, err := s.events.Read(context.Background(), "", &events.Filter{}, 1000)
		if err != nil {
			s.t.Fatal(err)
		}
		i := slices.IndexFunc(page.Events, func(e api.Event) bool { return e.Type == want })
		if i >= 0 {
			got = page.Events[i]
		}
		return i >= 0
	})
	return got
}
