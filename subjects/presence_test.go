package subjects

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPresenceRoundTrip(t *testing.T) {
	p := &Presence{
		Protocol: [2]int{1, 2}, State: PresenceDraining, Version: "v1.2.3",
		Started: time.Date(2025, 1, 2, 3, 4, 5, 6, time.UTC), Kubernetes: "v1.34.4", Reachable: true, Streams: 7,
		LastCause: &LastCause{Hop: "tcp", Cause: "connection-refused", At: time.Date(2025, 1, 2, 3, 4, 0, 0, time.UTC), Text: "dial: refused"},
	}
	b, err := AppendPresence(nil, p)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParsePresence(b); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("%+v came back as %+v, %v", p, got, err)
	}
	if b, err := AppendPresence(nil, &Presence{Version: strings.Repeat("v", MaxPresence)}); err == nil || len(b) != 0 {
		t.Errorf("a presence over the limit was made: %d bytes, %v", len(b), err)
	}
}

// TestPresenceOfOthers: presences that a newer agent may send, and malformed ones
// (row N4 of PROTOCOL.md).
func TestPresenceOfOthers(t *testing.T) {
	p, err := ParsePresence([]byte(`{"protocol":[1,3],"state":"up","capabilities":["x"],"load":{"cpu":0.5},"streams":2}`))
	if err != nil || p.Streams != 2 || !p.Compatible() {
		t.Errorf("a newer agent's presence: %+v, %v", p, err)
	}
	for protocol, want := range map[[2]int]bool{{1, 1}: true, {1, 9}: true, {Version + 1, Version + 2}: false} {
		if p := (&Presence{Protocol: protocol}); p.Compatible() != want {
			t.Errorf("versions %v: compatible %v", protocol, p.Compatible())
		}
	}
	for name, s := range map[string]string{
		"empty":               ``,
		"no JSON":             `up`,
		"another type":        `[]`,
		"null":                `null`,
		"no state":            `{"protocol":[1,1]}`,
		"unknown state":       `{"protocol":[1,1],"state":"asleep"}`,
		"no protocol":         `{"state":"up"}`,
		"version 0":           `{"protocol":[0,1],"state":"up"}`,
		"versions reversed":   `{"protocol":[2,1],"state":"up"}`,
		"number as a string":  `{"protocol":[1,1],"state":"up","streams":"7"}`,
		"negative time":       `{"protocol":[1,1],"state":"up","started":-1}`,
		"after year 9999":     `{"protocol":[1,1],"state":"up","started":"9999-12-31T23:59:59-23:59"}`,
		"before year 0":       `{"protocol":[1,1],"state":"up","started":"0000-01-01T00:00:00+23:59"}`,
		"bytes after the end": `{"protocol":[1,1],"state":"up"}{}`,
		"too long":            `{"protocol":[1,1],"state":"up","version":"` + strings.Repeat("v", MaxPresence) + `"}`,
	} {
		if p, err := ParsePresence([]byte(s)); !errors.Is(err, ErrPresence) || p != nil {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// TestLongVersionsAreCut: an agent can have a bridge keep no more than MaxVersion
// bytes of each (row N7 of PROTOCOL.md), and no half characters.
func TestLongVersionsAreCut(t *testing.T) {
	for _, c := range []struct{ said, want string }{
		{"v1.2.3", "v1.2.3"},
		{strings.Repeat("v", MaxVersion), strings.Repeat("v", MaxVersion)},
		{strings.Repeat("v", MaxVersion+1), strings.Repeat("v", MaxVersion)},
		{strings.Repeat("v", MaxVersion-1) + "é", strings.Repeat("v", MaxVersion-1)},
		{`v1\n\u001b[2J\u202e\u009b`, "v1??[2J??"},
		{strings.Repeat("é", 1000), strings.Repeat("é", MaxVersion/2)},
	} {
		p, err := ParsePresence([]byte(`{"protocol":[1,1],"state":"up","version":"` + c.said + `","kubernetes":"` + c.said + `"}`))
		if err != nil || p.Version != c.want || p.Kubernetes != c.want {
			t.Errorf("%q: %+v, %v", c.said, p, err)
		}
	}
}

// TestLastCauseIsCleaned: what an agent tells of its failure is bounded and on one line
// (row N8 of PROTOCOL.md).
func TestLastCauseIsCleaned(t *testing.T) {
	const at = `"at":"2025-01-02T03:04:05+01:00"`
	for said, want := range map[string]*LastCause{
		`{"hop":"tcp","cause":"new-one",` + at + `,"text":"a\u001b[31m\nb"}`:             {"tcp", "new-one", time.Date(2025, 1, 2, 2, 4, 5, 0, time.UTC), "a?[31m?b"},
		`{"hop":"tcp","cause":"x",` + at + `,"text":"` + strings.Repeat("é", 500) + `"}`: {"tcp", "x", time.Date(2025, 1, 2, 2, 4, 5, 0, time.UTC), strings.Repeat("é", MaxCauseText/2)},
		`{"hop":"T P","cause":"x",` + at + `}`:                                           nil,
		`{"hop":"tcp","cause":"` + strings.Repeat("x", 33) + `",` + at + `}`:             nil,
		`{"hop":"tcp",` + at + `}`:                                                       nil,
		`{"hop":"tcp","cause":"x","at":"9999-12-31T23:59:59-23:59"}`:                     nil,
		`null`: nil,
	} {
		p, err := ParsePresence([]byte(`{"protocol":[1,1],"state":"up","last_cause":` + said + `}`))
		if err != nil || !reflect.DeepEqual(p.LastCause, want) {
			t.Errorf("%s: %+v, %v, want %+v", said, p.LastCause, err, want)
		}
	}
}

func FuzzParsePresence(f *testing.F) {
	f.Add([]byte(`{"protocol":[1,1],"state":"up","started":"2025-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"protocol":[1,9],"state":"bye","more":{"x":[1]}}`))
	f.Add([]byte(`{"protocol":[1,1],"state":"up","last_cause":{"hop":"tcp","cause":"x","at":"2025-01-02T03:04:05Z","text":"y"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePresence(b)
		if err != nil {
			if !errors.Is(err, ErrPresence) || p != nil {
				t.Fatalf("%+v, %v", p, err)
			}
			return
		}
		if len(p.Version) > MaxVersion || len(p.Kubernetes) > MaxVersion {
			t.Fatalf("versions of %d and %d bytes", len(p.Version), len(p.Kubernetes))
		}
		if c := p.LastCause; c != nil && (len(c.Text) > MaxCauseText || strings.ContainsAny(c.Hop+c.Cause+c.Text, "\n\x1b")) {
			t.Fatalf("last cause %+v", c)
		}
		again, err := AppendPresence(nil, p)
		if err != nil {
			return // escaping can make it longer
		}
		got, err := ParsePresence(again)
		if err != nil || got.State != p.State || got.Protocol != p.Protocol || !got.Started.Equal(p.Started) || got.Streams != p.Streams {
			t.Errorf("%+v came back as %+v, %v", p, got, err)
		}
		if !reflect.DeepEqual(got.LastCause, p.LastCause) {
			t.Errorf("%+v came back as %+v", p.LastCause, got.LastCause)
		}
	})
}

// TestSettingsState: what an instance tells of settings is bounded, and on one line.
func TestSettingsState(t *testing.T) {
	long := strings.Repeat("<", 500)
	many := slices.Repeat([]string{long}, 50)
	said := &SettingsState{Revision: "12-ab", Accepts: []string{"labels"}, Overridden: []string{"limits"}, Refused: "13-cd", Error: "a\nb"}
	clean := said.Clean()
	if want := (&SettingsState{Revision: "12-ab", Accepts: []string{"labels"}, Overridden: []string{"limits"}, Refused: "13-cd", Error: "a?b"}); !reflect.DeepEqual(clean, want) {
		t.Errorf("got %+v", clean)
	}
	if (*SettingsState)(nil).Clean() != nil {
		t.Error("none has become some")
	}
	clean = (&SettingsState{long, many, many, long, long}).Clean()
	if len(clean.Revision) != MaxSettingsRevision || len(clean.Error) != MaxSettingsError || len(clean.Overridden) != MaxSettingsFields || len(clean.Accepts[0]) != MaxSettingsField {
		t.Errorf("got %+v", clean)
	}
	p, err := ParsePresence([]byte(`{"protocol":[1,1],"state":"up","settings":{"revision":"` + strings.Repeat("1", 200) + `"}}`))
	if err != nil || len(p.Settings.Revision) != MaxSettingsRevision {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestLargestPresence: what passes all bounds fits a message, which older bridges take too.
func TestLargestPresence(t *testing.T) {
	full := func(n int) string { return strings.Repeat("\"", n) } // as JSON, two bytes each
	fields := slices.Repeat([]string{strings.Repeat("f", MaxSettingsField)}, MaxSettingsFields)
	p := &Presence{
		Protocol: [2]int{1, 15}, State: PresenceDraining, Version: strings.Repeat("v", MaxVersion), Kubernetes: strings.Repeat("v", MaxVersion),
		Started: time.Now().UTC(), Streams: MaxStreams, Labels: map[string]string{},
		LastCause: &LastCause{Hop: strings.Repeat("h", 32), Cause: strings.Repeat("c", 32), At: time.Now().UTC(), Text: full(MaxCauseText)},
		Settings: &SettingsState{
			Revision: strings.Repeat("1", MaxSettingsRevision), Refused: strings.Repeat("1", MaxSettingsRevision),
			Accepts: []string{"labels", "logLevel", "limits", "restrict"}, Overridden: fields, Error: full(MaxSettingsError),
		},
	}
	for i := range MaxLabels {
		p.Labels[strings.Repeat("k", 14)+string(rune('a'+i%26))+string(rune('a'+i/26))] = strings.Repeat("v", 32)
	}
	b, err := AppendPresence(nil, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", len(b))
	if got, err := ParsePresence(b); err != nil || len(got.Labels) != MaxLabels || got.Settings.Error != p.Settings.Error {
		t.Errorf("%+v, %v", got, err)
	}
	p.Labels["one-more"] = ""
	if got, err := ParsePresence(must(AppendPresence(nil, p))); err != nil || got.Labels != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
