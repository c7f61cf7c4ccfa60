package settings

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
)

// announce lets an instance say which settings it uses or refuses.
func announce(dir *directory.Directory, cluster, instance, revision, refused string) {
	dir.Presence(cluster, instance, &subjects.Presence{
		Protocol: [2]int{subjects.MinVersion, subjects.Version}, State: subjects.PresenceUp,
		Settings: &subjects.SettingsState{Revision: revision, Refused: refused, Accepts: []string{"labels"}},
	})
}

// TestNewsAreLookedAt: whatever an instance tells is noticed with the next tick, also of one
// that was lost while the settings changed and says the same as before; and nothing else is
// looked at but what the audit has.
func TestNewsAreLookedAt(t *testing.T) {
	dir := directory.New(directory.Config{Query: func(string) error { return nil }})
	d := NewDesk(Config{})
	const n = 2 * auditTicks
	revisions := map[string]string{}
	put := func(name string, seq uint64) {
		e := kv.Entry{Key: "acme." + name, Value: []byte(`{"settings":{"labels":{"env":"prod"}}}`), Revision: seq}
		d.put(e)
		revisions[name] = revisionOf(seq, e.Value)
	}
	for i := range n {
		name := fmt.Sprint("c", i)
		put(name, uint64(i+1))
		announce(dir, name, "a", revisions[name], "")
	}
	desk := d.tenants["acme"]
	desk.follow(dir, new(tenant.Conn))
	tick := func() {
		t.Helper()
		if sent, heard := d.work(desk, dir, time.Now(), 0); sent > 0 || !heard {
			t.Fatal(sent, heard)
		}
	}
	is := func(what string, want map[state]int) {
		t.Helper()
		for i, s := range worst {
			if desk.states[i] != want[s] {
				t.Errorf("%s: %d are %s, want %d", what, desk.states[i], s, want[s])
			}
		}
	}
	tick()
	is("first", map[state]int{api.SettingsApplied: n})
	if len(desk.due) > 0 {
		t.Errorf("%d are due though nothing is open", len(desk.due))
	}
	put("c1", n+1)
	dir.Absent("c2", "a")
	put("c2", n+2) // nobody is there who is behind
	tick()
	is("changed", map[state]int{api.SettingsApplied: n - 2, api.SettingsPending: 1})
	announce(dir, "c2", "a", fmt.Sprint(3, revisions["c2"][len(fmt.Sprint(n+2)):]), "") // as before
	tick()
	is("back", map[state]int{api.SettingsApplied: n - 2, api.SettingsPending: 2})
	announce(dir, "c1", "a", "", revisions["c1"])
	announce(dir, "c2", "a", revisions["c2"], "")
	announce(dir, "other", "a", "", "") // there are no settings for it
	tick()
	is("told", map[state]int{api.SettingsApplied: n - 1, api.SettingsRefused: 1})
	dir.Absent("c3", "")
	for range 2 * auditTicks {
		tick()
	}
	is("audited", map[state]int{api.SettingsApplied: n - 2, api.SettingsRefused: 1})
	d.put(kv.Entry{Key: "acme.c4", Value: []byte(`[]`), Revision: 1000})
	is("unusable", map[state]int{api.SettingsApplied: n - 3, api.SettingsRefused: 1})
	dir.Link(false)
	if _, heard := d.work(desk, dir, time.Now(), 0); heard {
		t.Error("it hears without a link")
	}
	names := desk.audit(nil)
	if len(names) > 2 || slices.Contains(names, "other") {
		t.Errorf("%d are audited at a time: %v", len(names), names)
	}
	d.reset()
	if len(d.tenants) > 0 || desk.news != nil {
		t.Error("the news are still followed")
	}
}
