package strictyaml

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

type outer struct {
	Name  string            `yaml:"name"`
	Inner []inner           `yaml:"inner"`
	Map   map[string]string `yaml:"map"`
	Wait  time.Duration     `yaml:"wait"`
	Line  int               `yaml:"-"`
}

type inner struct {
	On    bool `yaml:"on"`
	Count int  `yaml:"count"`

	computed int // no key of the file
}

func (o *outer) UnmarshalYAML(n *yaml.Node) error {
	type plain outer
	return Decode(n, (*plain)(o))
}

func (i *inner) UnmarshalYAML(n *yaml.Node) error {
	type plain inner
	if err := Decode(n, (*plain)(i)); err != nil {
		return err
	}
	i.computed = i.Count
	if i.Count < 0 {
		return Errorf(n, "count: %d is negative", i.Count)
	}
	return nil
}

func TestUnmarshal(t *testing.T) {
	var o outer
	if err := Unmarshal([]byte("name: a\nwait: 3s\ninner:\n- {on: true}\n- count: 2\n"), &o); err != nil {
		t.Fatal(err)
	}
	if o.Name != "a" || o.Wait != 3*time.Second || len(o.Inner) != 2 || !o.Inner[0].On || o.Inner[1].Count != 2 {
		t.Errorf("decoded %+v", o)
	}
	for _, empty := range []string{"", "\n# nothing\n", "---\n"} {
		if err := Unmarshal([]byte(empty), &outer{}); err != nil {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

// Each fault is reported with its line, and without terms of Go.
func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		"inner:\n- {[0]: 1}":                    `line 2: inner[0]: a key must be one of the names on, count`,
		"inner:\n- {'': 1}":                     `line 2: inner[0]: a key must be one of the names on, count`,
		"nam: a":                                `line 1: unknown key "nam": did you mean "name"?`,
		"Inner: []":                             `line 1: unknown key "Inner": did you mean "inner"?`,
		"timeout: 3s":                           `line 1: unknown key "timeout"; known are name, inner, map, wait`,
		"count: 3":                              `line 1: unknown key "count": it stands under "inner"`,
		"name: a\nname: b":                      `line 2: key "name" stands twice`,
		"map:\n  a: b\n  a: c":                  `line 3: map: key "a" stands twice`,
		"map:\n  a: b\n  b:":                    `line 3: map: key "b" has no value`,
		"map:\n  [a]: b":                        `line 2: a key must be a string`,
		"name: a\ninner:\n- on: true\n  of: 1":  `line 4: inner[0]: unknown key "of"; known are on, count`,
		"inner:\n- count: -1":                   `line 2: inner[0]: count: -1 is negative`,
		"inner:\n- count: x":                    `line 2: inner[0].count: want a whole number, not "x"`,
		"inner:\n- on: 'true'":                  `line 2: inner[0].on: want true or false, not "true": write it without quotes`,
		"\ninner: {on: true}":                   "line 2: inner: want a list, not a mapping",
		"inner: a.b == \"it's\"":                `line 1: inner: want a list, not "a.b == \"it's\"": write ['a.b == "it''s"']`,
		"inner: prod":                           `line 1: inner: want a list, not "prod": write [prod]`,
		"name: [a]":                             "line 1: name: want a string, not a list",
		"wait: soon":                            `line 1: wait: want a duration such as 30s or 4h, not "soon"`,
		"wait: 4":                               `line 1: wait: want a duration such as 30s or 4h, not "4"`,
		"inner:\n- on":                          `line 2: inner[0]: want a mapping with the keys on, count, not "on"`,
		"- a":                                   "line 1: want a mapping with the keys name, inner, map, wait, not a list",
		"name: a\n---\nname: b":                 "line 2: the file has more than one document",
		"map:\n  a: {b: c}":                     "line 2: map.a: want a string, not a mapping",
		"map:\n  '*.lab': [c]":                  `line 2: map["*.lab"]: want a string, not a list`,
		"map: x":                                `line 1: map: want a mapping, not "x"`,
		"inner:\n- &x {on: true, of: 1}\n- *x":  `line 2: inner[0]: unknown key "of"; known are on, count`,
		"name:":                                 `line 1: key "name" has no value`,
		"inner: ~":                              `line 1: key "inner" has no value`,
		"inner: !<tag:yaml.org,2002:null> x":    `line 1: key "inner" has no value`,
		"map: {a: b}\ninner: &n\nname: *n":      "line 2: key \"inner\" has no value\nline 3: key \"name\" has no value",
		"inner:\n- on: true\n-":                 `line 3: inner[1]: an item of the list has no value`,
		"map: {a: &n }\ninner:\n- *n":           "line 1: map: key \"a\" has no value\nline 3: inner[0]: an item of the list has no value",
		"map: &name {a: b}\n*name : c":          "line 2: a key must be one of the names name, inner, map, wait",
		"inner:\n- {<<: {on: true}}":            `line 2: inner[0]: unknown key "<<": merge keys are not supported`,
		"inner:\n- {nam: x, cont: 3, count: x}": "line 2: inner[0]: unknown key \"nam\"; known are on, count\nline 2: inner[0]: unknown key \"cont\": did you mean \"count\"?\nline 2: inner[0].count: want a whole number, not \"x\"",
		// What is not YAML.
		"name: 'a":                              "line 1: a quote that is opened is not closed",
		"name: a\n\tinner: b":                   "line 2: there is a tab where YAML wants spaces",
		"name: a\ninner:\n\t- on: true":         "line 3: a value begins with a tab, or with one of @ % and a backquote",
		"name: @a":                              "line 1: a value begins with a tab, or with one of @ % and a backquote",
		"name: a: b":                            "line 1: there is a second \": \" in one line",
		"name: 'a' + b":                         "line 1: a quoted value goes on after its quote (put all of it in single quotes",
		"name: a\n  inner: b":                   "line 2: there is a second \": \" in one line, or the indentation is wrong",
		"inner:\n- on: true\n count: 1":         "line 3: a quoted value goes on after its quote (put all of it in single quotes",
		"name: a\ninner":                        "line 2: a key lacks its \": \"",
		"inner: [{on: true}\nname: a":           "line 1: a list in [ ] is not closed, lacks a comma",
		"inner: [{on: true]":                    "line 1: a mapping in { } is not closed, lacks a comma",
		"name: \"\\d\"":                         "line 1: a backslash in double quotes must be written",
		"name: *.lab":                           "line 1: a value that begins with * or & must be in quotes",
		"name: \xff":                            "line 1: the file is not in UTF-8",
		"a: &a [x,x]\nb: &b [*a,*a]\nname: *zz": "line 3: there is no anchor 'zz': a value that begins with * must be in quotes",
	} {
		err := Unmarshal([]byte(text), &outer{})
		if err == nil || !strings.HasPrefix(err.Error(), want) && strings.Count(want, "\n") == 0 ||
			strings.Contains(want, "\n") && err.Error() != want {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if strings.HasPrefix(want, "line ") {
			if e, ok := errors.AsType[*Error](err); !ok || e.Line == 0 {
				t.Errorf("%q: %v has no line", text, err)
			}
		}
	}
}

// Every fault of a file is told at once.
func TestAllFaults(t *testing.T) {
	err := Unmarshal([]byte("name: [a]\ninner:\n- {on: 1}\n- {on: true}\n- count: -1\n- of: 2\nwait: x\n"), &outer{})
	var got []string
	for _, f := range Faults(err) {
		line, _, _ := strings.Cut(f.Error(), ":")
		got = append(got, line)
	}
	if strings.Join(got, ", ") != "line 1, line 3, line 5, line 6, line 7" {
		t.Errorf("faults at %v: %v", got, err)
	}
	if Faults(nil) != nil {
		t.Error("no error has faults")
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte("name: a\ninner:\n- {on: true, count: 3}\n"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		var o outer
		_ = Unmarshal(b, &o) // must not panic
	})
}

// secretType is in a file about secrets.
type secretType struct {
	Name  string            `yaml:"name"`
	Items []secretType      `yaml:"items"`
	List  []string          `yaml:"list"`
	On    bool              `yaml:"on"`
	Own   map[string]string `yaml:"own"`
}

func (s *secretType) UnmarshalYAML(n *yaml.Node) error {
	type plain secretType
	return DecodeSecret(n, (*plain)(s))
}

func TestSecretFilesAreNotQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"on: some-secret":                       "line 1: on: want true or false, not a text",
		"list: some-secret":                     "line 1: list: want a list, not a text: write it in [ ]",
		"items: [some-secret]":                  "line 1: items[0]: want a mapping with the keys name, items, list, on, own, not a text",
		"some-secret: x":                        "line 1: unknown key (not shown); known are name, items, list, on, own",
		"ons: x":                                `line 1: unknown key "ons": did you mean "on"?`,
		"ends: x":                               `line 1: unknown key "ends"; known are name, items, list, on, own`,
		"on: *some-secret":                      "line 1: there is no anchor (not shown): a value that begins with * must be in quotes",
		"items: [{name: Some_secret, on: x}]":   "line 1: items[0].on: want true or false, not a text",
		"items: [{name: shop, on: x}]":          "line 1: items[shop].on: want true or false, not a text",
		"own: {some-secret: }":                  "line 1: own: key (not shown) has no value",
		"own: {some-secret: a, some-secret: b}": "line 1: own: key (not shown) stands twice",
		"name: !!int some-secret":               "the value cannot be used here",
	} {
		got := ""
		if err := UnmarshalSecret([]byte(text), new(secretType)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q\n got %s\nwant %s", text, got, want)
		}
	}
}

// What looks like a credential is in no message about any file.
func TestErrorShowsNoCredential(t *testing.T) {
	for _, text := range []string{"alpha: [fl_0123456789]", "beta: fl_0123456789", "fl_0123456789: x", "items: [{}, fl_0123456789]", "sub: *fl_0123456789"} {
		if err := Unmarshal([]byte(text), new(checkedType)); err == nil || strings.Contains(err.Error(), "0123456789") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
