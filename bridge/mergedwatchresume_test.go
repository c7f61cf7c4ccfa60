package bridge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// clientBy is one that reaches bridges by a network, whose requests are held against
// openapi.yaml.
func clientBy(n *cutNetwork, bridges ...*rig) *client.Client {
	r := bridges[0]
	r.t.Helper()
	roots := x509.NewCertPool()
	for _, b := range bridges {
		roots.AppendCertsFromPEM(b.ca)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DisableCompression: true}
	c, err := client.New("https://"+n.l.Addr().String(), client.Options{
		Token: client.Token(r.token), Transport: described().Transport(transport, r.misdescribed),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.CloseIdleConnections)
	return c
}

// TestWatchGoesOnAfterACut: a client whose network is cut again and again, and whose bridge
// is drained, goes on at the next one: of each cluster everything comes once, whether the
// clusters are named or selected.
func TestWatchGoesOnAfterACut(t *testing.T) {
	const clusters = 20
	var callers access.Authenticator
	one := newRig(t, rigOptions{config: func(c *Config) { callers = c.Authenticator }})
	two := newRig(t, rigOptions{nats: one.nats, config: func(c *Config) { c.Authenticator = callers }})
	sources := map[string]*watchSource{}
	var names []string
	for i := range clusters {
		name := fmt.Sprintf("c%d", i)
		names = append(names, name)
		sources[name] = newWatchSource("a", "b", "c")
		one.agent("default", name, sources[name].serve)
	}
	network := one.network()
	c := clientBy(network, one, two)
	everything, ctx := "", t.Context()
	views := map[string]*view{
		"named":    one.view(ctx, c, client.WatchOptions{Path: "/api/v1/pods", Clusters: names}),
		"selected": one.view(ctx, c, client.WatchOptions{Path: "/api/v1/pods", Selector: &everything}),
	}
	whole := func() bool {
		for _, v := range views {
			for _, name := range names {
				if events, _ := v.of(name); !slices.Equal(events, sources[name].all(0)) {
					return false
				}
			}
		}
		return true
	}
	one.eventually("what there is has come", func() bool {
		for _, v := range views {
			for _, name := range names {
				if _, states := v.of(name); !slices.Contains(states, "started") { // a list that was cut off before comes again
					return false
				}
			}
		}
		return whole()
	})
	happen := func(round int) {
		for _, s := range sources {
			s.happens("MODIFIED", "a")
			s.happens("ADDED", fmt.Sprint("new", round))
		}
	}
	for round := range 3 {
		happen(round) // some of it is on its way
		network.set(true)
		happen(10 + round)
		network.set(false)
		one.eventually("it goes on after a cut", whole)
	}
	network.lead(two)
	happen(20)
	drain(t, one)
	happen(21)
	one.eventually("it goes on at another bridge", whole)
	for kind, v := range views {
		if _, states := v.of("c3"); states[0] != "started" || slices.Contains(states, "reset") || !slices.Contains(states, "resumed") {
			t.Errorf("%s: %v", kind, states)
		}
	}
}

// TestWatchListsAgainAfterACut: a list that was cut off is void, and comes again.
func TestWatchListsAgainAfterACut(t *testing.T) {
	r := newRig(t, rigOptions{})
	source := newWatchSource("a", "b", "c")
	hold := make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	defer release() // the agent waits for its handlers
	source.answer = func(head *subjects.RequestHead, s *stream.Stream) bool {
		if strings.Contains(head.Target, "continue=") {
			<-hold
		}
		return false
	}
	r.agent("default", "prod", source.serve)
	network := r.network()
	v := r.view(t.Context(), clientBy(network, r), client.WatchOptions{Path: "/api/v1/pods", Clusters: []string{"prod"}})
	r.eventually("the first page has come", func() bool { events, _ := v.of("prod"); return len(events) == 2 })
	source.happens("DELETED", "a")
	network.cut()
	// The two objects that are left come on one page, maybe at once.
	r.eventually("what was told is void", func() bool { _, states := v.of("prod"); return len(states) > 0 && states[0] == "reset" })
	release()
	r.eventually("what there is comes again", func() bool {
		events, states := v.of("prod")
		return slices.Equal(states, []string{"reset", "started"}) && slices.Equal(events, []string{"ADDED b 102", "ADDED c 103"})
	})
}

// TestWatchOfClustersThatAreNotSelectedAnyMore: a cluster that has lost its label while the
// client was away has ended, and one that a client may not see does not differ.
func TestWatchOfClustersThatAreNotSelectedAnyMore(t *testing.T) {
	file := newAccessFile(t, labelled)
	r := newRig(t, rigOptions{config: file.configure})
	source := newWatchSource("a")
	for _, cluster := range []string{"prod", "dev"} {
		r.agent("acme", cluster, source.serve)
	}
	selector := "env=prod"
	from := map[string]string{"prod.acme": "101", "dev.acme": "101", "none.acme": "5", "prod.nowhere": "7"}
	v := r.view(t.Context(), r.goClient(r.token), client.WatchOptions{Path: "/api/v1/pods", Selector: &selector, From: from})
	r.eventually("each cluster is told of", func() bool {
		for cluster, want := range map[string]string{"prod.acme": "resumed", "dev.acme": "ended", "none.acme": "ended", "prod.nowhere": "ended"} {
			if _, states := v.of(cluster); !slices.Equal(states, []string{want}) {
				return false
			}
		}
		return true
	})
}

// TestWatchOfClustersInAState: clusters come and go with the state that selects them.
func TestWatchOfClustersInAState(t *testing.T) {
	t.Parallel()
	file := newAccessFile(t, labelled)
	r := newRig(t, rigOptions{config: file.configure})
	source := newWatchSource("a")
	prod := r.agent("acme", "prod", source.serve)
	v := r.view(t.Context(), r.goClient(r.token), client.WatchOptions{Path: "/api/v1/pods", Tenant: "acme", State: "online"})
	states := func(cluster string, want ...string) func() bool {
		return func() bool { _, states := v.of(cluster); return slices.Equal(states, want) }
	}
	r.eventually("the one that is online has started", states("prod.acme", "started"))
	r.agent("acme", "dev", source.serve)
	r.eventually("another one that has come has started", states("dev.acme", "started"))
	_ = prod.Close()
	r.eventually("the one that has gone has ended", func() bool {
		_, states := v.of("prod.acme")
		return states[len(states)-1] == "ended"
	})
	r.agent("acme", "prod", source.serve)
	r.eventually("the one that is back is told anew", func() bool {
		_, states := v.of("prod.acme")
		return states[len(states)-1] == "started"
	})
	if !states("dev.acme", "started")() {
		t.Error("another one has ended or was told twice")
	}
}

// TestWatchEndsWithItsCredential: the bridge refuses whoever comes back, and the error says
// where another watch goes on.
func TestWatchEndsWithItsCredential(t *testing.T) {
	h := newHoldRig(t)
	source := newWatchSource("a")
	h.agent("default", "watched", source.serve)
	v := h.view(t.Context(), h.goClient(h.changed), client.WatchOptions{Path: "/api/v1/pods", Clusters: []string{"watched"}})
	h.eventually("it has started", func() bool { _, s := v.of("watched"); return slices.Equal(s, []string{"started"}) })
	h.writeTokens(h.keeps)
	<-v.done
	if e, ok := errors.AsType[*client.WatchError](v.err); !ok || !errors.Is(e, client.ErrUnauthenticated) || e.From["watched"] != "101" {
		t.Errorf("ended with %v, %+v", v.err, v.end)
	}
}
