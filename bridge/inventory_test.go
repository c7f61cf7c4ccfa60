package bridge

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/inventory"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// watcher runs a watcher of the rig's tenants until the test ends.
func (r *rig) watcher() *inventory.Watcher {
	w := &inventory.Watcher{Tenants: r.pool, Logger: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		w.Run(ctx)
	}()
	r.t.Cleanup(func() {
		cancel()
		<-ran
	})
	return w
}

// labelled labels clusters, one of which was never connected and one of which is unknown.
const labelled = `clusters:
  "*": {labels: {site: hq}}
  "*.acme": {labels: {env: dev}}
  prod.acme: {labels: {env: prod, region: eu}}
  later.acme: {labels: {env: later}}
  typo.lab: {labels: {env: prod}}
  prod.nobody: {labels: {env: prod}}
grants:
- {name: acme, clusters: ["*.acme"], when: ['caller.name == "acme-ci"', 'cluster.labels.env != "later"'], as: {agent: true}}
`

func names(list *api.ClusterList) (all []string) {
	for i := range list.Clusters {
		all = append(all, list.Clusters[i].Name)
	}
	return all
}

// TestClusterSelection: lists by tenant, labels and state, to who may see what is in them.
func TestClusterSelection(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{clusters: []string{"spare"}, config: newAccessFile(t, labelled).configure})
	r.agent("default", "prod", hello)
	r.agent("acme", "prod", hello)
	r.leaves(r.agent("acme", "dev", hello), "acme", "dev")
	admin, acme := r.goClient(r.token), r.goClient(r.acme)
	const prod, dev, later = "prod.acme", "dev.acme", "later.acme"
	for _, tt := range []struct {
		c    *client.Client
		f    client.ClusterFilter
		want []string
	}{
		{admin, client.ClusterFilter{}, []string{dev, later, prod, "prod", "spare.lab"}},
		{admin, client.ClusterFilter{LabelSelector: "env=prod"}, []string{prod}},
		{admin, client.ClusterFilter{LabelSelector: "site=hq,env!=prod"}, []string{dev, later, "prod", "spare.lab"}},
		{admin, client.ClusterFilter{LabelSelector: "!env"}, []string{"prod", "spare.lab"}},
		{admin, client.ClusterFilter{LabelSelector: "site notin (hq)"}, nil},
		{admin, client.ClusterFilter{State: "online"}, []string{prod, "prod"}},
		{admin, client.ClusterFilter{State: "connected", Tenant: "acme"}, []string{prod}},
		{admin, client.ClusterFilter{State: "never-connected"}, []string{later, "spare.lab"}},
		{admin, client.ClusterFilter{State: "offline", LabelSelector: "env in (dev,prod)"}, []string{dev}},
		// The token may reach every cluster of the tenant, whatever the grant says.
		{acme, client.ClusterFilter{}, []string{dev, later, prod}},
		{acme, client.ClusterFilter{LabelSelector: "site=hq", Tenant: "default"}, nil},
	} {
		list, err := tt.c.Clusters(t.Context(), tt.f)
		if err != nil || !slices.Equal(names(list), tt.want) {
			t.Errorf("%+v: %v, %v; want %v", tt.f, names(list), err, tt.want)
		}
	}
	one, err := admin.Cluster(t.Context(), prod)
	if err != nil || one.Labels["env"] != "prod" || one.Labels["site"] != "hq" || one.OfflineSince != nil {
		t.Errorf("%+v, %v", one, err)
	}
	if one, err = admin.Cluster(t.Context(), dev); err != nil || one.State != "offline" || one.OfflineSince == nil || !one.OfflineSince.Equal(*one.LastSeen) {
		t.Errorf("%+v, %v", one, err)
	}
	for _, query := range []string{"labelSelector=%zz", "labelselector=env", "labelSelector=((", "state=up", "limit=0", "continue=x", "limit=1&limit=2"} {
		res, body := r.do(r.h2, r.request("GET", "/v1/clusters?"+query, nil))
		wantFailure(t, res, body, answer.BadRequest)
	}
}

// TestClusterPages: every cluster is on one page, in order, whatever comes and goes between
// the pages.
func TestClusterPages(t *testing.T) {
	t.Parallel()
	listed := []string{"a", "b", "c", "d", "e"}
	r := newRig(t, rigOptions{clusters: listed})
	r.agent("default", "zz", hello)
	r.agent("acme", "prod", hello)
	c := r.goClient(r.token)
	var all []string
	for cluster, err := range c.EachCluster(t.Context(), client.ClusterFilter{Limit: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, cluster.Name); cluster.Name == "b.lab" {
			changed := tenant.List{"lab": {Account: r.nats.Accounts["lab"], Clusters: []string{"a", "d", "e", "f"}}}
			for _, name := range []string{"acme", "default"} {
				changed[name] = (*r.list.Load())[name]
			}
			r.list.Store(&changed)
			r.eventually("the list is followed", func() bool {
				list, err := c.Clusters(t.Context(), client.ClusterFilter{Tenant: "lab"})
				return err == nil && len(list.Clusters) == 4
			})
		}
	}
	if want := []string{"prod.acme", "zz", "a.lab", "b.lab", "d.lab", "e.lab", "f.lab"}; !slices.Equal(all, want) {
		t.Errorf("%v, want %v", all, want)
	}
	list, err := c.Clusters(t.Context(), client.ClusterFilter{Limit: 6})
	if err != nil || len(list.Clusters) != 6 || list.Continue != "" {
		t.Errorf("a page that has all: %v, %q, %v", names(list), list.Continue, err)
	}
	// A page ends with a cluster that the caller may see, not with the last that was looked at.
	list, err = r.goClient(r.acme).Clusters(t.Context(), client.ClusterFilter{Limit: 1})
	if err != nil || !slices.Equal(names(list), []string{"prod.acme"}) || list.Continue != "" {
		t.Errorf("%v, %q, %v", names(list), list.Continue, err)
	}
}

// TestPagesOfUnavailableTenants: who asks for each cluster learns that some may be missing.
func TestPagesOfUnavailableTenants(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{strange: "elsewhere"})
	r.agent("acme", "prod", hello)
	var last error
	n := 0
	for _, err := range r.goClient(r.token).EachCluster(t.Context(), client.ClusterFilter{}) {
		if last = err; err == nil {
			n++
		}
	}
	if n != 1 || last == nil || !strings.Contains(last.Error(), "elsewhere") {
		t.Errorf("%d clusters, then %v; want one, and the tenant that cannot be asked", n, last)
	}
}

// TestWatcher: tenants stay connected though nobody asks, also those that are added and
// those whose account changes, and subscribers hear of changes.
func TestWatcher(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{idle: 40 * time.Millisecond})
	w := r.watcher()
	changed, stop := w.Subscribe()
	defer stop()
	held := func(tenants ...string) func() bool {
		return func() bool {
			var all []string
			r.pool.Each(func(c *tenant.Conn) { all = append(all, c.Tenant()) })
			slices.Sort(all)
			return slices.Equal(all, tenants)
		}
	}
	r.eventually("all are connected", held("acme", "default", "lab"))
	a := r.agent("acme", "prod", hello)
	within(t, "a subscriber hears of the agent", 5*time.Second, changed)
	time.Sleep(200 * time.Millisecond) // five times the idle time
	if !held("acme", "default", "lab")() {
		t.Error("a connection that the watcher holds was closed")
	}
	began := time.Now()
	if list, err := r.goClient(r.token).Clusters(t.Context(), client.ClusterFilter{}); err != nil || len(list.Clusters) != 1 {
		t.Errorf("%v, %v", names(list), err)
	}
	t.Logf("first list after %v", time.Since(began))
	_ = a.Close()
	within(t, "a subscriber hears that it went", 5*time.Second, changed)

	list := tenant.List{"acme": {Account: r.nats.Accounts["lab"]}, "default": {Account: r.nats.Accounts["default"]}}
	r.list.Store(&list)
	r.eventually("the tenants that there are now are connected", held("acme", "default"))
	conn, err := r.pool.Acquire(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	conn.Release()
	select {
	case <-conn.Retired():
		t.Error("a connection in use is said to be retired")
	default:
	}
	r.pool.Close()
	within(t, "a closed pool retires its connections", 5*time.Second, conn.Retired())
	if _, err := r.pool.Acquire(t.Context(), "acme"); !errors.Is(err, tenant.ErrClosed) {
		t.Error(err)
	}
}

// TestClusterDetail: what agents tell of themselves is in the API, whatever they say, and
// what an operator should look at is a warning.
func TestClusterDetail(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{config: func(c *Config) { c.Version = "v1.4.0" }})
	expires, started := time.Now().Add(7*24*time.Hour).UTC().Truncate(time.Second), time.Now().UTC()
	announce := func(cluster string, p subjects.Presence) {
		a, err := natslink.NewAgent(r.nats.Agent(t, "acme", cluster), natslink.AgentConfig{
			Cluster: cluster, Instance: subjects.NewID('a'), Presence: func() subjects.Presence { return p }, Stream: stream.Config{Handler: func(*stream.Stream) {}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.Close() })
	}
	announce("full", subjects.Presence{
		Version: "v1.2.0", Kubernetes: "v1.31.1-gke.100", Started: started, Labels: map[string]string{"env": "dev", "site": "a"},
		Detail: &subjects.Detail{Pod: "pod-1", Node: "node-1", Platform: "linux/arm64", Requests: 7, Up: 8, Down: 9, Expires: &expires},
	})
	announce("hostile", subjects.Presence{
		Version: strings.Repeat("\x1b[2J", 100), Kubernetes: "<script>\u2028", Reachable: true, Labels: map[string]string{"not a key": "x"},
		Detail: &subjects.Detail{Pod: strings.Repeat("p", 1000) + "\n", Node: "</script>\x00", RTT: -1, Requests: -1},
	})
	c := r.goClient(r.token)
	var list *api.ClusterList
	r.eventually("both are heard", func() bool {
		var err error
		list, err = c.Clusters(t.Context(), client.ClusterFilter{Tenant: "acme"})
		return err == nil && len(list.Clusters) == 2
	})
	full := list.Clusters[0]
	if full.Distribution != "gke" || full.Platform != "linux/arm64" || !full.CredentialExpires.Equal(expires) || full.Labels["site"] != "a" || len(full.Warnings) != 3 {
		t.Errorf("%+v", full)
	}
	in := full.Instances[0]
	if in.Pod != "pod-1" || in.Node != "node-1" || in.Broker == "" || in.ConnectedSince == nil || in.Requests != 7 || in.BytesUp != 8 || in.BytesDown != 9 ||
		!strings.Contains(in.VersionSkew, "update the agent") {
		t.Errorf("%+v", in)
	}
	hostile := list.Clusters[1]
	in = hostile.Instances[0]
	if len(in.Pod) > subjects.MaxHostName || strings.ContainsAny(in.Pod+in.Node+in.Version+in.Kubernetes, "\x00\x1b\n\u2028") || in.RTTMicroseconds < 0 || in.Requests != 0 || hostile.Labels != nil || hostile.Warnings != nil {
		t.Errorf("%+v", hostile)
	}
	// Selected by what the agent tells.
	if list, err := c.Clusters(t.Context(), client.ClusterFilter{LabelSelector: "site=a"}); err != nil || !slices.Equal(names(list), []string{"full.acme"}) {
		t.Errorf("%v, %v", names(list), err)
	}
}

// TestOperatorsLabelsWin: an agent cannot tell another label than the operator's.
func TestOperatorsLabelsWin(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{config: newAccessFile(t, labelled).configure})
	a, err := natslink.NewAgent(r.nats.Agent(t, "acme", "prod"), natslink.AgentConfig{
		Cluster: "prod", Instance: subjects.NewID('a'), Stream: stream.Config{Handler: func(*stream.Stream) {}},
		Presence: func() subjects.Presence {
			return subjects.Presence{Reachable: true, Labels: map[string]string{"env": "dev", "rack": "7"}}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	c := r.goClient(r.token)
	for selector, want := range map[string][]string{"env=dev": nil, "env=prod": {"prod.acme"}, "rack=7,region=eu": {"prod.acme"}} {
		if list, err := c.Clusters(t.Context(), client.ClusterFilter{LabelSelector: selector, Tenant: "acme", State: "online"}); err != nil || !slices.Equal(names(list), want) {
			t.Errorf("%s: %v, %v; want %v", selector, names(list), err, want)
		}
	}
}

// TestCrashIsNoticed: a cluster whose agent is killed is no longer connected within 5 s,
// and one of several instances is gone from the list within the same time.
func TestCrashIsNoticed(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.watcher()
	r.agent("acme", "two", hello)
	kill := func(cluster string) func() {
		nc := r.nats.Agent(t, "acme", cluster)
		a, err := natslink.NewAgent(nc, natslink.AgentConfig{
			Cluster: cluster, Instance: subjects.NewID('a'), Stream: stream.Config{Handler: func(*stream.Stream) {}},
			Presence: func() subjects.Presence { return subjects.Presence{Reachable: true} },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.Close() })
		return nc.Close
	}
	killOne, killTwo := kill("one"), kill("two")
	c := r.goClient(r.token)
	is := func(one string, instances int) func() bool {
		return func() bool {
			list, err := c.Clusters(t.Context(), client.ClusterFilter{Tenant: "acme"})
			return err == nil && len(list.Clusters) == 2 && list.Clusters[0].State == one && len(list.Clusters[1].Instances) == instances && list.Clusters[1].State == "connected"
		}
	}
	r.eventually("all are connected", is("connected", 2))
	killed := time.Now()
	killOne()
	killTwo()
	r.eventually("the crashes are noticed", is("reconnecting", 1))
	// The aim is 5 s; a machine that does much else is allowed more, but less than the 10 s
	// of silence after which it would be noticed anyway.
	if took := time.Since(killed); took > 8*time.Second {
		t.Errorf("that took %v, want at most 8 s", took)
	} else {
		t.Logf("noticed after %v", took)
	}
	r.eventually("the grace is over", is("offline", 1))
}
