package bridge

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	wire "github.com/fairlead-io/fairlead/subjects/settings"
)

// TestSettingsFromPutToDelete: what is put is applied and told, what the owner fixed wins,
// and what is deleted is the agent's own again.
func TestSettingsFromPutToDelete(t *testing.T) {
	t.Parallel()
	s := newSettingsRig(t, storetest.Start(t, 1), rigOptions{})
	agent := s.settable("default", "prod", []string{wire.Labels, wire.LogLevel}, map[string]string{"site": "a"})
	res, body := s.call("GET", "prod", "")
	wantFailure(t, res, body, answer.SettingsNotSet)
	res, body = s.call("DELETE", "prod", "")
	wantFailure(t, res, body, answer.SettingsNotSet)

	res, body = s.call("PUT", "prod", `{"labels":{"env":"prod"},"logLevel":{"level":"debug","until":"2999-01-01T02:00:00+02:00"}}`)
	put := decode[api.ClusterSettings](t, body)
	if res.StatusCode != http.StatusCreated || put.ChangedBy != "admin" || put.ChangedAt.IsZero() || res.Header.Get("ETag") != `"`+put.Revision+`"` {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	got := s.becomes("prod", api.SettingsApplied)
	if len(got.Instances) != 1 || got.Instances[0].Name != agent.instance || got.Instances[0].Revision != put.Revision || !slices.Equal(got.Instances[0].Accepts, []string{"labels", "logLevel"}) {
		t.Errorf("got %+v", got)
	}
	if agent.level.Level() != slog.LevelDebug || !maps.Equal(agent.Labels(), map[string]string{"site": "a", "env": "prod"}) {
		t.Errorf("the agent has level %v, labels %v", agent.level.Level(), agent.Labels())
	}
	if e := s.happened(api.EventSettingsChanged); e.Name != "prod" || !strings.Contains(e.Detail, "put by admin") {
		t.Errorf("event %+v", e)
	}
	if e := s.happened(api.EventSettingsApplied); e.Instance != agent.instance || !strings.Contains(e.Detail, put.Revision) {
		t.Errorf("event %+v", e)
	}

	// The same once more, in other words, changes nothing.
	if again := s.put("prod", `{"restrict":{},"logLevel":{"until":"2999-01-01T00:00:00Z","level":"debug"},"labels":{"env":"prod"}}`); again.Revision != put.Revision {
		t.Errorf("revision %s, was %s", again.Revision, put.Revision)
	}

	s.put("prod", `{"labels":{"site":"b","env":"test"},"restrict":{"exec":false},"limits":{"maxStreams":5}}`)
	if got = s.becomes("prod", api.SettingsPartly); !slices.Equal(got.Instances[0].Overridden, []string{"labels.site", "limits", "restrict"}) {
		t.Errorf("got %+v", got.Instances)
	}
	s.eventually("an event says what has no effect", func() bool {
		page, err := s.events.Read(t.Context(), "", &events.Filter{Types: []events.Type{api.EventSettingsApplied}}, 1000)
		return err == nil && len(page.Events) == 2 && page.Events[0].Cause == "" && page.Events[1].Cause == "partly" &&
			strings.HasSuffix(page.Events[1].Detail, got.Revision+", but for what the owner has fixed: labels.site, limits, restrict")
	})
	if agent.Labels()["site"] != "a" || agent.narrow.Load() != nil || agent.level.Level() != slog.LevelInfo {
		t.Errorf("labels %v, restriction %v, level %v", agent.Labels(), agent.narrow.Load(), agent.level.Level())
	}

	res, body = s.call("DELETE", "prod", "", "If-Match", `"`+put.Revision+`"`)
	wantFailure(t, res, body, answer.PreconditionFailed)
	res, body = s.call("DELETE", "prod", "", "If-Match", `"`+got.Revision+`"`)
	deleted := decode[api.SettingsDeleted](t, body)
	if res.StatusCode != http.StatusOK || deleted.Revision == "" {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	s.eventually("the agent goes back to its own values", func() bool {
		return agent.State().Revision == deleted.Revision && maps.Equal(agent.Labels(), map[string]string{"site": "a"})
	})
	for _, method := range []string{"GET", "DELETE"} {
		res, body = s.call(method, "prod", "")
		wantFailure(t, res, body, answer.SettingsNotSet)
	}
}

// TestSettingsConditions: If-Match and If-None-Match.
func TestSettingsConditions(t *testing.T) {
	t.Parallel()
	s := newSettingsRig(t, storetest.Start(t, 1), rigOptions{})
	expect := func(status int, method, body string, header ...string) string {
		t.Helper()
		res, text := s.call(method, "prod", body, header...)
		if res.StatusCode != status {
			t.Errorf("%s %s %v: %d %s, want %d", method, body, header, res.StatusCode, text, status)
		}
		return res.Header.Get("ETag")
	}
	const one, two = `{"labels":{"a":"1"}}`, `{"labels":{"a":"2"}}`
	expect(412, "PUT", one, "If-Match", "*")
	expect(412, "PUT", one, "If-Match", `"1-00000000"`)
	expect(412, "DELETE", "", "If-Match", "*")
	first := expect(201, "PUT", one, "If-None-Match", "*")
	expect(412, "PUT", two, "If-None-Match", "*")
	second := expect(200, "PUT", two, "If-Match", first)
	expect(412, "PUT", one, "If-Match", first)
	expect(412, "PUT", two, "If-Match", first) // though it would be the same
	expect(200, "PUT", one, "If-Match", "*")
	expect(412, "DELETE", "", "If-Match", second)
	for _, bad := range []string{"", "x", `W/"1"`, `"1", "2"`, `"` + strings.Repeat("x", 200) + `"`} {
		expect(400, "PUT", one, "If-Match", bad)
		expect(400, "DELETE", "", "If-Match", bad)
	}
	expect(400, "PUT", one, "If-None-Match", first)
	expect(200, "DELETE", "", "If-Match", "*")
	expect(412, "PUT", one, "If-Match", "*")
	expect(201, "PUT", one, "If-None-Match", "*")
}

// TestSettingsAreHostile: whatever is sent is answered with a problem that says what is
// wrong, and nothing of it is kept.
func TestSettingsAreHostile(t *testing.T) {
	t.Parallel()
	s := newSettingsRig(t, storetest.Start(t, 1), rigOptions{clusters: []string{"known"}})
	for body, kind := range map[string]*answer.Kind{
		``:                             answer.BadRequest,
		`null`:                         answer.BadRequest,
		`[]`:                           answer.BadRequest,
		`"x"`:                          answer.BadRequest,
		`{"label":{}}`:                 answer.BadRequest,
		`{"revision":"1-00000000"}`:    answer.BadRequest,
		`{"restrict":{"as":{}}}`:       answer.BadRequest,
		`{"labels":{"a":1}}`:           answer.BadRequest,
		`{}{}`:                         answer.BadRequest,
		strings.Repeat(`{"a":`, 10000): answer.BodyTooLarge,
		strings.Repeat(" ", 1<<20):     answer.BodyTooLarge,
		`{"labels":{"a b":"x"}}`:       answer.SettingsInvalid,
		`{"labels":{"a":"` + strings.Repeat("x", 64) + `"}}`:               answer.SettingsInvalid,
		`{"labels":{"a":"x\n"}}`:                                           answer.SettingsInvalid,
		`{"logLevel":{}}`:                                                  answer.SettingsInvalid,
		`{"logLevel":{"level":"loud"}}`:                                    answer.SettingsInvalid,
		`{"logLevel":{"level":"info","until":"tomorrow"}}`:                 answer.BadRequest,
		`{"logLevel":{"level":"info","until":"0001-01-01T00:00:00Z"}}`:     answer.SettingsInvalid,
		`{"limits":{"maxStreams":0}}`:                                      answer.SettingsInvalid,
		`{"limits":{"maxStreams":16385}}`:                                  answer.SettingsInvalid,
		`{"limits":{"maxStreams":1e99}}`:                                   answer.BadRequest,
		`{"restrict":{"readOnly":false}}`:                                  answer.SettingsInvalid,
		`{"restrict":{"exec":true}}`:                                       answer.SettingsInvalid,
		`{"restrict":{"secrets":true}}`:                                    answer.SettingsInvalid,
		`{"labels":{"` + strings.Repeat("k", 63) + `":"` + "\u0000" + `"}`: answer.BadRequest,
	} {
		res, text := s.call("PUT", "prod", body)
		if res.Header.Get("Fairlead-Error") != kind.Code || res.StatusCode != kind.Status {
			t.Errorf("%.80s: %d %s, want %s", body, res.StatusCode, text, kind.Code)
		}
	}
	res, body := s.call("GET", "prod", "")
	wantFailure(t, res, body, answer.SettingsNotSet)
	for _, cluster := range []string{"prod.nobody", "other.lab"} {
		res, body = s.call("PUT", cluster, `{}`)
		wantFailure(t, res, body, answer.UnknownCluster)
	}
	res, body = s.call("PUT", "a_b", `{}`)
	wantFailure(t, res, body, answer.BadClusterName)
	if res, body = s.call("PUT", "known.lab", `{}`); res.StatusCode != http.StatusCreated {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	for _, query := range []string{"?state=x", "?limit=0", "?limit=501", "?limit=x", "?continue=..", "?foo=1", "?tenant=a&tenant=b"} {
		res, body := s.do(s.h1, s.request("GET", "/v1/settings"+query, nil))
		wantFailure(t, res, body, answer.BadRequest)
	}
}

// TestSettingsWithoutStore: what is missing is said.
func TestSettingsWithoutStore(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	for _, c := range [][3]string{{"GET", settingsPath("prod"), ""}, {"PUT", settingsPath("prod"), "{}"}, {"DELETE", settingsPath("prod"), ""}, {"GET", "/v1/settings", ""}} {
		res, body := r.do(r.h2, r.request(c[0], c[1], strings.NewReader(c[2])))
		wantFailure(t, res, body, answer.StoreUnavailable)
		if !strings.Contains(body, "--store-account") {
			t.Errorf("it says %s", body)
		}
	}
}
