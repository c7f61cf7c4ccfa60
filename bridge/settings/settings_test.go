package settings

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/subjects"
	wire "github.com/fairlead-io/fairlead/subjects/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// looker looks at one cluster, without brokers.
type looker struct {
	*Desk
	t    *testing.T
	desk *tenantDesk
	c    *cluster
}

func look(t *testing.T, doc *stored, urgent time.Time) *looker {
	return &looker{NewDesk(Config{}), t, newTenantDesk(), &cluster{doc: doc, urgent: urgent}}
}

// sees lets it see instances, and expects whether it sends.
func (l *looker) sees(at time.Time, want bool, instances ...directory.InstanceSettings) {
	l.t.Helper()
	l.told = instances
	if got := l.look(l.desk, l.c, at); got != want {
		l.t.Errorf("at %v: sends: %v, want %v", at, got, want)
	} else if got { // as tick does
		l.c.due = at.Add(min(firstResend<<l.c.tries, lastResend))
		l.c.tries = min(l.c.tries+1, 8)
	}
}

func has(name, revision string) directory.InstanceSettings {
	return directory.InstanceSettings{Name: name, State: &subjects.SettingsState{Revision: revision}}
}

func docOf(t *testing.T, seq uint64, value string) *stored {
	t.Helper()
	doc, err := read(kv.Entry{Key: "acme.prod", Value: []byte(value), Revision: seq})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestResends: at once where the change was taken, later elsewhere; what is not echoed is
// sent again after 5 s, and up to a minute; a new instance does not wait for that.
func TestResends(t *testing.T) {
	doc := docOf(t, 7, `{"settings":{"limits":{"maxStreams":1}}}`)
	now := time.Now()
	l := look(t, doc, now.Add(urgency))
	for _, pause := range []time.Duration{0, 5, 10, 20, 40, 60, 60, 60} {
		if pause > 0 {
			l.sees(now.Add(pause*time.Second-time.Millisecond), false, has("a", ""))
		}
		now = now.Add(pause * time.Second)
		l.sees(now, true, has("a", ""))
	}
	l.sees(now.Add(time.Second), false, has("a", ""), has("b", "")) // b is new
	l.sees(now.Add(time.Second+spread), true, has("a", ""), has("b", ""))
	now = now.Add(time.Hour)
	l.sees(now, false, has("a", doc.revision), has("b", doc.revision))
	l.sees(now, false, has("a", doc.revision), has("b", "6-00000000")) // it has it from a bridge that was behind
	l.sees(now.Add(spread), true, has("a", doc.revision), has("b", "6-00000000"))

	other := look(t, doc, time.Time{})
	other.sees(now, false, has("a", ""))
	other.sees(now.Add(spread), true, has("a", ""))
	for name, in := range map[string]directory.InstanceSettings{
		"older":    {Name: "a"},
		"leaving":  {Name: "a", State: &subjects.SettingsState{}, Leaving: true},
		"refusing": {Name: "a", State: &subjects.SettingsState{Refused: doc.revision, Error: "x"}},
	} {
		t.Run(name, func(t *testing.T) { look(t, doc, now.Add(time.Hour)).sees(now, false, in) })
	}
}

// TestBehindBridgeIsSilent: a bridge that knows an older document than an agent sends it only
// once the store, read afterwards, has no newer one.
func TestBehindBridgeIsSilent(t *testing.T) {
	l := look(t, docOf(t, 7, `{}`), time.Time{})
	now := time.Now()
	ahead := has("a", "8-00000000")
	for range 20 {
		now = now.Add(time.Minute)
		l.sees(now, false, ahead)
	}
	l.known(nil) // this read may have begun before
	l.sees(now, false, ahead)
	l.known(io.ErrUnexpectedEOF)
	l.sees(now, false, ahead)
	l.known(nil)
	l.sees(now, false, ahead) // not yet
	l.sees(now.Add(spread), true, ahead)
	l.sees(now.Add(time.Minute), false, has("a", l.c.doc.revision))
	l.sees(now.Add(time.Hour), false, ahead) // another time
	l.sees(now.Add(2*time.Hour), false, ahead)
}

// TestNewestDocumentCounts: documents that come twice, or late, change nothing.
func TestNewestDocumentCounts(t *testing.T) {
	d := NewDesk(Config{})
	put := func(seq uint64, value string) { d.put(kv.Entry{Key: "acme.prod", Value: []byte(value), Revision: seq}) }
	is := func(want string) {
		t.Helper()
		all, _ := d.all()
		got := ""
		for _, doc := range all {
			got += fmt.Sprint(doc.seq)
		}
		if got != want {
			t.Errorf("documents %q, want %q", got, want)
		}
	}
	put(3, `{}`)
	put(2, `{}`)
	put(3, `{}`)
	is("3")
	put(4, `{"deleted":true,"settings":{"labels":{"a":"b"}}}`)
	is("")
	if m := string(d.tenants["acme"].clusters["prod"].doc.message); strings.Contains(m, "labels") {
		t.Errorf("message %s", m)
	}
	put(5, `{}`)
	is("5")
	put(6, `[]`) // nobody knows what it is
	is("")
	d.reset()
	put(1, `{}`)
	is("1")
}

// TestSettingsOfANewerBridge: while bridges are replaced, one that does not know a field
// leaves the delivery to those that do. Agents would tell that they use what it names, and
// have less.
func TestSettingsOfANewerBridge(t *testing.T) {
	for _, value := range []string{
		`{"settings":{"restrict":{"exec":false,"portForward":false}}}`, `{"settings":{"labels":{"a":"b"},"schedule":"night"}}`,
	} {
		doc, err := read(kv.Entry{Key: "acme.prod", Value: []byte(value), Revision: 7})
		if err == nil || doc == nil || doc.message != nil || doc.revision == "" {
			t.Errorf("%s: %+v, %v", value, doc, err)
		}
	}
	docOf(t, 7, `{"settings":{"labels":{"a":"b"}},"by":"x","reason":"a newer bridge asks for one"}`)
	docOf(t, 8, `{"settings":null,"deleted":true}`)
}

// TestSomeChecksAreTheAgents: what passes here, agents take.
func TestSomeChecksAreTheAgents(t *testing.T) {
	yes := true
	if err := check(&api.AgentSettings{Restrict: &api.AgentRestrictions{Exec: &yes}}); err == nil || !strings.Contains(err.Error(), "restrict.exec") {
		t.Errorf("got %v", err)
	}
	s := api.AgentSettings{Labels: map[string]string{}, Restrict: &api.AgentRestrictions{}}
	if err := check(&s); err != nil || s.Labels != nil || s.Restrict != nil {
		t.Errorf("%+v, %v", s, err)
	}
}

// FuzzPut: no body panics; what is taken can be stored, read, and sent to agents, which take
// it; and it is the same as itself.
func FuzzPut(f *testing.F) {
	f.Add([]byte(`{"labels":{"a":"b"},"logLevel":{"level":"debug","until":"2026-12-01T00:00:00Z"},"limits":{"maxStreams":1},"restrict":{"exec":false}}`))
	f.Add([]byte(`{"Labels":{},"labels":null,"restrict":{"exec":null}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var s *api.AgentSettings
		r := httptest.NewRequest("PUT", "/", strings.NewReader(string(body)))
		if endpoint.ReadJSON(httptest.NewRecorder(), r, &s, maxBody, example) != nil || s == nil || check(s) != nil {
			return
		}
		value, err := json.Marshal(document{Settings: *s, By: "x", At: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		doc, err := read(kv.Entry{Key: "a.b", Value: value, Revision: 1<<64 - 1})
		if err != nil {
			t.Fatalf("%s: %v", value, err)
		}
		if !same(&doc.Settings, s) {
			t.Fatalf("%+v is not %+v", doc.Settings, s)
		}
		if got, err := wire.Parse(doc.message); err != nil || got.Revision != doc.revision {
			t.Fatalf("%s: %v", doc.message, err)
		}
	})
}

// FuzzRead: whatever the store has does not panic, and what is used of it agents take.
func FuzzRead(f *testing.F) {
	f.Add("acme.prod", []byte(`{"settings":{"labels":{"a":"b"}},"by":"x","at":"2026-12-01T00:00:00Z"}`))
	f.Add("acme.prod", []byte(`{"deleted":true}`))
	f.Add("acme", []byte(`null`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		doc, err := read(kv.Entry{Key: key, Value: value, Revision: 1})
		if err != nil {
			return
		}
		if keyOf(doc.ref) != key {
			t.Fatalf("%q is taken for %q", key, keyOf(doc.ref))
		}
		if _, err := wire.Parse(doc.message); err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(view(doc, nil, true)); err != nil {
			t.Fatal(err)
		}
	})
}
