package settings

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

func no() *bool  { return new(bool) }
func yes() *bool { b := true; return &b }

func TestRoundTrip(t *testing.T) {
	until := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	s := &Settings{
		Revision: "12-9f2c", Labels: map[string]string{"env": "prod", "acme.example/tier": ""}, LogLevel: &Level{"debug", &until},
		Limits: &Limit{MaxStreams: 7}, Restrict: &Restriction{yes(), no(), no()},
	}
	b, err := Append(nil, s)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Parse(b); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%+v came back as %+v, %v", s, got, err)
	}
	if got, err := Parse([]byte(`{"revision":"1"}`)); err != nil || !reflect.DeepEqual(got, &Settings{Revision: "1"}) {
		t.Errorf("empty settings: %+v, %v", got, err)
	}
}

// TestLargest: what passes the checks fits a message.
func TestLargest(t *testing.T) {
	until := time.Date(9999, 12, 1, 0, 0, 0, 999999999, time.UTC)
	s := &Settings{
		Revision: strings.Repeat("a", MaxRevision), Labels: map[string]string{}, LogLevel: &Level{"debug", &until},
		Limits: &Limit{MaxStreams: 10000}, Restrict: &Restriction{yes(), no(), no()},
	}
	for i := range subjects.MaxLabels {
		s.Labels[fmt.Sprintf("%02d", i)+strings.Repeat("k", 14)] = strings.Repeat("v", 32)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	if b, err := Append(nil, s); err != nil {
		t.Error(err)
	} else if _, err := Parse(b); err != nil {
		t.Error(err)
	}
}

// TestRefused: row N9 of PROTOCOL.md. Each refusal names the field.
func TestRefused(t *testing.T) {
	many := `"a":"1"`
	for i := range subjects.MaxLabels {
		many += fmt.Sprintf(`,"k%d":"1"`, i)
	}
	for body, field := range map[string]string{
		``:                                      "",
		`null`:                                  "revision",
		`[]`:                                    "",
		`{}`:                                    "revision",
		`{"revision":""}`:                       "revision",
		`{"revision":"A"}`:                      "revision",
		`{"revision":"1\n"}`:                    "revision",
		`{"revision":"1"}{}`:                    "follows",
		`{"revision":"1","sudo":true}`:          "sudo",
		`{"revision":"1","restrict":{"as":{}}}`: "as",
		`{"revision":"1","labels":{"":"x"}}`:    "labels",
		`{"revision":"1","labels":{"a b":"x"}}`: "labels",
		`{"revision":"1","labels":{"a/b/c":"x"}}`:                                             "labels",
		`{"revision":"1","labels":{"A.x/b":"x"}}`:                                             "labels",
		`{"revision":"1","labels":{"a\n":"x"}}`:                                               "labels",
		`{"revision":"1","labels":{"a":"x\n"}}`:                                               "labels",
		`{"revision":"1","labels":{"a":"-x"}}`:                                                "labels",
		`{"revision":"1","labels":{` + many + `}}`:                                            "labels",
		`{"revision":"1","labels":{"a":"` + strings.Repeat("x", 64) + `"}}`:                   "labels",
		`{"revision":"1","labels":"` + strings.Repeat("x", MaxMessage) + `"}`:                 "bytes",
		`{"revision":"1","logLevel":{}}`:                                                      "logLevel.level",
		`{"revision":"1","logLevel":{"level":"trace"}}`:                                       "logLevel.level",
		`{"revision":"1","logLevel":{"level":"DEBUG"}}`:                                       "logLevel.level",
		`{"revision":"1","logLevel":{"level":"debug","until":"0001-01-01T00:00:00Z"}}`:        "logLevel.until",
		`{"revision":"1","logLevel":{"level":"debug","until":"soon"}}`:                        "",
		`{"revision":"1","limits":{}}`:                                                        "limits.maxStreams",
		`{"revision":"1","limits":{"maxStreams":-1}}`:                                         "limits.maxStreams",
		`{"revision":"1","limits":{"maxStreams":1e9}}`:                                        "limits.maxStreams",
		`{"revision":"1","limits":{"maxStreams":99999999999999999999}}`:                       "maxStreams",
		`{"revision":"1","restrict":{"readOnly":false}}`:                                      "restrict.readOnly",
		`{"revision":"1","restrict":{"exec":true}}`:                                           "restrict.exec",
		`{"revision":"1","restrict":{"secrets":true}}`:                                        "restrict.secrets",
		`{"revision":"1","restrict":{"readOnly":true,"readOnly":false}}`:                      "restrict.readOnly",
		`{"revision":"1","labels":` + strings.Repeat(`{"a":`, 500) + strings.Repeat("}", 501): "",
	} {
		_, err := Parse([]byte(body))
		if !errors.Is(err, ErrSettings) || !strings.Contains(fmt.Sprint(err), field) {
			t.Errorf("%.100s: got %v, want it to name %q", body, err, field)
		}
	}
	// Those of a newer bridge are refused by name.
	if s, err := Parse([]byte(`{"revision":"7","of-tomorrow":1}`)); err == nil || s == nil || s.Revision != "7" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// FuzzParse: no message panics, and what is accepted passes the checks and fits a message
// again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"revision":"1","labels":{"a":"b"},"logLevel":{"level":"debug","until":"2026-12-01T00:00:00Z"},"limits":{"maxStreams":1},"restrict":{"exec":false}}`))
	f.Add([]byte(`{"revision":"1","Revision":"2"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		if err != nil {
			return
		}
		if err := errors.Join(s.Check(), CheckRevision(s.Revision)); err != nil {
			t.Fatal(err)
		}
		again, err := Append(nil, s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}
