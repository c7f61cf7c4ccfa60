package webhook

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestOneBridgeSends: of two bridges one sends each event, in order, and when it stops the
// other one goes on where it was.
func TestOneBridgeSends(t *testing.T) {
	b := storetest.Start(t, 1)
	r := newReceiver(t)
	path := write(t, "webhooks:\n"+hook("one", r, ""))
	first := start(t, b, path)
	second := start(t, b, path)
	first.note(t, 0, 150)
	r.await(150)
	second.note(t, 150, 200)
	r.await(200)
	first.saved(t, "one")
	first.stop()
	second.note(t, 200, 250)
	r.await(250)
	r.exactly(0, 250)
}

// TestFilters: a webhook gets what it asks for.
func TestFilters(t *testing.T) {
	b := storetest.Start(t, 1)
	all, typed, tenant, cluster := newReceiver(t), newReceiver(t), newReceiver(t), newReceiver(t)
	br := start(t, b, write(t, "webhooks:\n"+hook("all", all, "")+hook("typed", typed, ", types: [operation.*, version.skew]")+
		hook("tenant", tenant, ", tenants: [acme]")+hook("cluster", cluster, `, clusters: [prod.acme, "*.lab"]`)))
	for i, e := range []api.Event{
		{Type: api.EventClusterConnected, Tenant: "acme", Cluster: "dev"},
		{Type: api.EventClusterConnected, Tenant: "acme", Cluster: "prod"},
		{Type: api.EventOperationFailed, Tenant: "lab", Cluster: "x"},
		{Type: api.EventVersionSkew, Tenant: "default", Cluster: "x"},
	} {
		e.Detail = string(rune('0' + i))
		if err := br.log.Append(t.Context(), e, ""); err != nil {
			t.Fatal(err)
		}
	}
	all.await(4)
	for name, c := range map[string]struct {
		r    *receiver
		want string
	}{"all": {all, "0123"}, "typed": {typed, "23"}, "tenant": {tenant, "01"}, "cluster": {cluster, "12"}} {
		c.r.await(len(c.want))
		// Events of several clusters are written side by side: their order is not fixed.
		got := strings.Join(c.r.details(), "")
		if len(got) != len(c.want) || strings.Trim(got, c.want) != "" {
			t.Errorf("%s got %s, want %s", name, got, c.want)
		}
	}
}

// TestRefusals: what is refused is sent again with the same id, and a webhook that is away
// holds up no other one. Redirects are not followed.
func TestRefusals(t *testing.T) {
	b := storetest.Start(t, 1)
	good, bad, away, elsewhere := newReceiver(t), newReceiver(t), newReceiver(t), newReceiver(t)
	away.Close()
	tried := map[string]int{}
	bad.answer = func(n int, e *api.Event) (int, http.Header) {
		tried[e.ID]++
		switch n % 5 {
		case 1:
			return http.StatusInternalServerError, nil
		case 2:
			return http.StatusTemporaryRedirect, http.Header{"Location": {elsewhere.URL}}
		case 3:
			return http.StatusTooManyRequests, http.Header{"Retry-After": {"0"}}
		case 4:
			return http.StatusUnauthorized, http.Header{"Retry-After": {"3600"}} // counts with 429 and 503 only
		}
		return http.StatusOK, nil
	}
	br := start(t, b, write(t, "webhooks:\n"+hook("good", good, "")+hook("bad", bad, "")+hook("away", away, "")))
	br.note(t, 0, 10)
	bad.await(10)
	good.await(10)
	bad.exactly(0, 10)
	good.exactly(0, 10)
	for id, n := range tried {
		if n != 5 {
			t.Errorf("event %s was sent %d times, want 5", id, n)
		}
	}
	if elsewhere.asked > 0 {
		t.Error("a redirect was followed")
	}
	lag := func(name string) time.Duration { return br.sender.running()[name].counts.lag() }
	eventually.True(t, "lags", func() bool { return lag("away") > 0 && lag("good") == 0 && lag("bad") == 0 })
	for series, want := range map[string]float64{"bad accepted": 10, "bad refused": 40, "good accepted": 10, "good refused": 0} {
		if got := requests(t, br)[series]; got != want {
			t.Errorf("%s: %v requests, want %v", series, got, want)
		}
	}
}

// requests reads the metric of requests, by webhook and result.
func requests(t *testing.T, br *bridge) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(br.sender)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); len(l) == 2 { // result, webhook
				all[l[1].GetValue()+" "+l[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return all
}

// TestGivenUp: an event that is refused for its content holds up others for a while only,
// and one that is too old is not sent.
func TestGivenUp(t *testing.T) {
	b := storetest.Start(t, 1)
	r := newReceiver(t)
	r.answer = func(_ int, e *api.Event) (int, http.Header) {
		if e.Detail == "1" {
			return http.StatusUnprocessableEntity, nil
		}
		return http.StatusOK, nil
	}
	br := start(t, b, write(t, "webhooks:\n"+hook("one", r, "")))
	old := api.Event{Type: api.EventClusterConnected, Tenant: "acme", Cluster: "prod", Time: time.Now().Add(-2 * time.Hour)}
	if err := br.log.Append(t.Context(), old, ""); err != nil {
		t.Fatal(err)
	}
	br.note(t, 0, 3)
	r.await(2)
	if got := strings.Join(r.details(), ""); got != "02" {
		t.Errorf("got %s, want 02", got)
	}
	if n := br.sender.running()["one"].counts.givenUp.Load(); n != 2 {
		t.Errorf("%d events were given up, want 2", n)
	}
}

// TestFileChanges: webhooks come, go and move, and secrets are replaced, without a restart.
func TestFileChanges(t *testing.T) {
	b := storetest.Start(t, 1)
	r, next := newReceiver(t), newReceiver(t)
	path := write(t, "webhooks:\n"+hook("one", r, ""))
	br := start(t, b, path)
	br.note(t, 0, 2)
	r.await(2)
	r.Close()
	br.note(t, 2, 4)
	eventually.True(t, "refusals", func() bool { return br.sender.running()["one"].counts.refused.Load() > 0 })
	const other = "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3"
	overwrite(t, filepath.Join(filepath.Dir(path), "other"), other)
	next.keys = []string{other, secret}
	moved := strings.Replace(hook("one", next, ""), "[secret]", "[other, secret]", 1)
	overwrite(t, path, "webhooks:\n"+moved)
	next.await(2)
	next.exactly(2, 4)
	br.saved(t, "one")
	overwrite(t, path, "webhooks: []\n")
	eventually.True(t, "no webhook", func() bool { return len(br.sender.running()) == 0 })
	br.note(t, 4, 5)
	overwrite(t, path, "webhooks:\n"+moved)
	next.await(3) // it goes on where it was
	next.exactly(2, 5)
}

// TestBrokerRestarts: what happens while the store is away is sent when it is back.
func TestBrokerRestarts(t *testing.T) {
	b := storetest.Start(t, 1)
	r := newReceiver(t)
	br := start(t, b, write(t, "webhooks:\n"+hook("one", r, "")))
	br.note(t, 0, 5)
	r.await(5)
	br.saved(t, "one")
	b.Kill(0)
	br.note(t, 5, 10)
	b.Run(0)
	r.await(10)
	r.exactly(0, 10)
}

// TestLogIsMadeAgain: a webhook goes on with what another log has.
func TestLogIsMadeAgain(t *testing.T) {
	b := storetest.Start(t, 1)
	r := newReceiver(t)
	br := start(t, b, write(t, "webhooks:\n"+hook("one", r, "")))
	br.note(t, 0, 3)
	r.await(3)
	if err := b.Admin(0).DeleteStream(t.Context(), "FAIRLEAD_EVENTS"); err != nil {
		t.Fatal(err)
	}
	br.note(t, 3, 5)
	r.await(5)
	r.exactly(0, 5)
}

// TestLogIsMoved: where events and cursors are moved to other brokers, the stream of events is
// another one, with the same messages. A webhook goes on where it was: it gets nothing twice,
// and a newer one nothing from before it began.
func TestLogIsMoved(t *testing.T) {
	b := storetest.Start(t, 1)
	old, late := newReceiver(t), newReceiver(t)
	path := write(t, "webhooks:\n"+hook("old", old, ""))
	br := start(t, b, path)
	br.note(t, 0, 5)
	old.await(5)
	br.saved(t, "old")
	overwrite(t, path, "webhooks:\n"+hook("old", old, "")+hook("late", late, ""))
	eventually.True(t, "two webhooks", func() bool { return len(br.sender.running()) == 2 })
	br.begun(t)
	br.stop()
	moveEvents(t, b)
	br = start(t, b, path)
	br.note(t, 5, 8)
	old.await(8)
	late.await(3)
	old.exactly(0, 8)
	late.exactly(5, 8)
}

// moveEvents makes another stream of events, with the messages of the one that there is.
func moveEvents(t *testing.T, b *storetest.Brokers) {
	t.Helper()
	js := b.Admin(0)
	st, err := js.Stream(t.Context(), subjects.StoreEvents)
	if err != nil {
		t.Fatal(err)
	}
	info := st.CachedInfo()
	var all []*nats.Msg
	for n := info.State.FirstSeq; n <= info.State.LastSeq; n++ {
		m, err := st.GetMsg(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
	}
	if err := js.DeleteStream(t.Context(), subjects.StoreEvents); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), info.Config); err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}
