package bridge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/subjects"
	wire "github.com/fairlead-io/fairlead/subjects/settings"
)

// uses waits until an agent uses a revision.
func (s *settingsRig) uses(a *setAgent, revision string) {
	s.t.Helper()
	s.eventually("the agent to use "+revision, func() bool { return a.State().Revision == revision })
}

// TestSettingsWaitForAgents: what is put while no agent is connected is there when one is,
// and what was deleted meanwhile goes.
func TestSettingsWaitForAgents(t *testing.T) {
	t.Parallel()
	s := newSettingsRig(t, storetest.Start(t, 1), rigOptions{})
	put := s.put("prod", `{"labels":{"env":"prod"}}`)
	if put.State != api.SettingsUnknown && put.State != api.SettingsOffline { // the tenant's connection is being opened
		t.Errorf("state %s", put.State)
	}
	s.becomes("prod", api.SettingsOffline)
	agent := s.settable("default", "prod", wire.Fields(), nil)
	s.uses(agent, put.Revision)
	s.becomes("prod", api.SettingsApplied)

	// An agent that comes back has what was deleted while it was away.
	agent.stop()
	s.becomes("prod", api.SettingsOffline)
	if res, body := s.call("DELETE", "prod", ""); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	back := s.settable("default", "prod", wire.Fields(), nil)
	message, err := wire.Append(nil, &wire.Settings{Revision: put.Revision, Labels: map[string]string{"env": "prod"}})
	if err != nil {
		t.Fatal(err)
	}
	back.Receive(message)
	s.eventually("it to go back to its own values", func() bool {
		return back.State().Revision != put.Revision && back.State().Revision != "" && len(back.Labels()) == 0
	})
}

// TestSettingsOfSeveralInstances: the state of a cluster is that of the instance with which
// most is wrong; older agents take no settings, and are told apart.
func TestSettingsOfSeveralInstances(t *testing.T) {
	t.Parallel()
	s := newSettingsRig(t, storetest.Start(t, 1), rigOptions{})
	s.settable("default", "prod", wire.Fields(), nil)
	s.put("prod", `{"labels":{"env":"prod"},"limits":{"maxStreams":7}}`)
	s.becomes("prod", api.SettingsApplied)
	s.settable("default", "prod", []string{wire.Labels}, nil)
	s.becomes("prod", api.SettingsPartly)
	s.agent("default", "prod", hello)
	got := s.becomes("prod", api.SettingsUnsupported)
	states := map[api.SettingsState]int{}
	for _, in := range got.Instances {
		states[in.State]++
	}
	if len(got.Instances) != 3 || states[api.SettingsApplied] != 1 || states[api.SettingsPartly] != 1 || states[api.SettingsUnsupported] != 1 {
		t.Errorf("got %+v", got.Instances)
	}
	// With the labels of its own, this one has too many.
	own := map[string]string{}
	for i := range subjects.MaxLabels {
		own[fmt.Sprint("k", i)] = ""
	}
	full := s.settable("default", "prod", wire.Fields(), own)
	got = s.becomes("prod", api.SettingsRefused)
	for _, in := range got.Instances {
		if in.Name == full.instance && (in.Refused != got.Revision || !strings.Contains(in.Error, "labels") || in.Revision != "") {
			t.Errorf("got %+v", in)
		}
	}
	if e := s.happened(api.EventSettingsRejected); e.Instance != full.instance || !strings.Contains(e.Detail, "labels") {
		t.Errorf("event %+v", e)
	}
	if n := s.metric("fairlead_bridge_settings_instances"); n != 4 {
		t.Errorf("%v instances in metrics", n)
	}
}

// TestSettingsOfTwoBridges: either takes changes, both tell the same, and the agents get few
// messages for it.
func TestSettingsOfTwoBridges(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 1)
	one := newSettingsRig(t, b, rigOptions{})
	two := newSettingsRig(t, b, rigOptions{nats: one.nats})
	agent := one.settable("default", "prod", wire.Fields(), nil)
	const changes = 6
	for i := range changes {
		from, other := one, two
		if i%2 == 1 {
			from, other = two, one
		}
		put := from.put("prod", fmt.Sprintf(`{"labels":{"n":"%d"}}`, i))
		other.uses(agent, put.Revision)
		if got := other.becomes("prod", api.SettingsApplied); got.Revision != put.Revision || got.Settings.Labels["n"] != fmt.Sprint(i) {
			t.Errorf("got %+v, want %+v", got, put)
		}
		res, body := from.call("PUT", "prod", `{}`, "If-Match", `"`+put.Revision[:1]+`-00000000"`)
		wantFailure(t, res, body, answer.PreconditionFailed)
		two.eventually("the list to have it", func() bool {
			_, body := two.do(two.h1, two.request("GET", "/v1/settings?state=applied", nil))
			list := decode[api.SettingsList](t, body)
			return len(list.Settings) == 1 && list.Settings[0].Revision == put.Revision && list.Settings[0].Instances == nil
		})
	}
	if n := agent.messages.Load(); n > 2*changes {
		t.Errorf("%d messages for %d changes", n, changes)
	} else {
		t.Logf("%d messages for %d changes", n, changes)
	}
}

// TestSettingsSurviveBridges: what one bridge took is delivered by another, which starts
// after the first has ended.
func TestSettingsSurviveBridges(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 1)
	one := newSettingsRig(t, b, rigOptions{})
	put := one.put("prod", `{"labels":{"env":"prod"}}`)
	one.stop()
	two := newSettingsRig(t, b, rigOptions{nats: one.nats})
	agent := two.settable("default", "prod", wire.Fields(), nil)
	two.uses(agent, put.Revision)
	if got := two.becomes("prod", api.SettingsApplied); got.Revision != put.Revision {
		t.Errorf("got %+v", got)
	}
}

// TestSettingsWithoutTheStore: while the store is away nothing is changed, which is said, and
// agents get what was set; afterwards all is as before.
func TestSettingsWithoutTheStore(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 1)
	s := newSettingsRig(t, b, rigOptions{})
	put := s.put("prod", `{"labels":{"env":"prod"}}`)
	b.Kill(0)
	agent := s.settable("default", "prod", wire.Fields(), nil)
	s.uses(agent, put.Revision)
	for _, c := range [][2]string{{"PUT", `{}`}, {"DELETE", ""}, {"GET", ""}} {
		res, body := s.call(c[0], "prod", c[1])
		wantFailure(t, res, body, answer.StoreUnavailable)
		if c[0] != "GET" && !strings.Contains(body, "nothing was changed") {
			t.Errorf("%s: %s", c[0], body)
		}
	}
	s.eventually("the list to say so", func() bool {
		res, _ := s.do(s.h1, s.request("GET", "/v1/settings", nil))
		return res.StatusCode == http.StatusServiceUnavailable
	})
	b.Run(0)
	s.eventually("a change to be taken", func() bool {
		res, _ := s.call("PUT", "prod", `{"labels":{"env":"test"}}`)
		return res.StatusCode == http.StatusOK
	})
	s.eventually("the agent to have it", func() bool { return agent.Labels()["env"] == "test" })
}

// TestSettingsAfterTheBroker: the broker that carries the agents is restarted; a change made
// meanwhile is delivered, and told.
func TestSettingsAfterTheBroker(t *testing.T) {
	t.Parallel()
	s := newSettingsRig(t, storetest.Start(t, 1), rigOptions{network: true})
	agent := s.settable("default", "prod", wire.Fields(), nil)
	s.put("prod", `{"labels":{"n":"1"}}`)
	s.becomes("prod", api.SettingsApplied)
	s.nats.Stop()
	s.eventually("the bridge to notice", func() bool {
		res, body := s.call("PUT", "prod", `{"labels":{"n":"2"}}`)
		return res.StatusCode == http.StatusOK && decode[api.ClusterSettings](t, body).State == api.SettingsUnknown
	})
	if got := s.get("prod"); got.State != api.SettingsUnknown || got.Settings.Labels["n"] != "2" {
		t.Errorf("got %+v", got)
	}
	s.nats.Restart(t)
	deadline := time.Now().Add(30 * time.Second)
	for s.get("prod").State != api.SettingsApplied {
		if time.Now().After(deadline) {
			t.Fatalf("not applied within 30 s: %+v", s.get("prod"))
		}
	}
	if agent.Labels()["n"] != "2" {
		t.Errorf("labels %v", agent.Labels())
	}
}

// TestSettingsOfATamperedStore: what somebody wrote into the store that cannot be used is
// not sent, and can be replaced. Nothing in it allows an agent more.
func TestSettingsOfATamperedStore(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 1)
	s := newSettingsRig(t, b, rigOptions{})
	agent := s.settable("default", "prod", wire.Fields(), nil)
	s.put("prod", `{"labels":{"env":"prod"}}`)
	s.becomes("prod", api.SettingsApplied)
	sent := agent.messages.Load()
	admin := b.Admin(0)
	for _, value := range []string{`{"settings":{"restrict":{"exec":true}}}`, `{"settings":{"labels":{"a b":"c"}}}`, `[]`, "\x00", ``, strings.Repeat("[", 60000)} {
		if _, err := admin.Publish(t.Context(), "$KV.fairlead-settings.default.prod", []byte(value)); err != nil {
			t.Fatal(err)
		}
		res, body := s.call("GET", "prod", "")
		wantFailure(t, res, body, answer.StoreUnavailable)
	}
	for _, key := range []string{"default", "a.b.c", "Default.Prod", "x._"} {
		if _, err := admin.Publish(t.Context(), "$KV.fairlead-settings."+key, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	s.eventually("the list to have none", func() bool {
		_, body := s.do(s.h1, s.request("GET", "/v1/settings", nil))
		return len(decode[api.SettingsList](t, body).Settings) == 0
	})
	if n := agent.messages.Load(); n != sent || agent.Labels()["env"] != "prod" || agent.narrow.Load() != nil {
		t.Errorf("%d messages, labels %v", n-sent, agent.Labels())
	}
	put := s.put("prod", `{"labels":{"env":"test"}}`)
	s.uses(agent, put.Revision)
}

// TestSettingsOfARestoredStore: the store has lost what an agent uses. Another revision of an
// older number takes its place, once it is certain that the store has no newer one.
func TestSettingsOfARestoredStore(t *testing.T) {
	t.Parallel()
	s := newSettingsRig(t, storetest.Start(t, 1), rigOptions{})
	agent := s.settable("default", "prod", wire.Fields(), nil)
	lost, err := json.Marshal(wire.Settings{Revision: "5000-00000000", Labels: map[string]string{"env": "lost"}})
	if err != nil {
		t.Fatal(err)
	}
	agent.Receive(lost)
	s.uses(agent, "5000-00000000")
	put := s.put("prod", `{"labels":{"env":"prod"}}`)
	s.uses(agent, put.Revision)
}
