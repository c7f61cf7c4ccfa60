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
		"inner:\n- {[0]: 1}":                    `line 2: unknown key ""; known are on, count`,
		"inner:\n- {'': 1}":                     `line 2: unknown key ""; known are on, count`,
		"nam: a":                                `line 1: unknown key "nam"; known are name, inner, map, wait`,
		"name: a\nname: b":                      `line 2: `,
		"name: a\ninner:\n- on: true\n  of: 1":  `line 4: unknown key "of"; known are on, count`,
		"inner:\n- count: -1":                   `line 2: count: -1 is negative`,
		"inner:\n- count: x":                    "line 2: cannot unmarshal !!str `x`: want a number",
		"\ninner: {on: true}":                   "line 2: cannot unmarshal !!map: want a list",
		"name: [a]":                             "line 1: cannot unmarshal !!seq: want a string",
		"wait: soon":                            "line 1: cannot unmarshal !!str `soon`: want a duration such as 30s",
		"inner:\n- on":                          "line 2: want a mapping with the keys on, count",
		"- a":                                   "line 1: want a mapping with the keys name, inner, map, wait",
		"name: a\n---\nname: b":                 "line 2: the file has more than one document",
		"name: 'a":                              "found unexpected end of stream",
		"map:\n  a: {b: c}":                     "line 2: cannot unmarshal !!map: want a string",
		"name: a\n\tinner: b":                   "line ",
		"inner:\n- &x {on: true, of: 1}\n- *x":  `line 2: unknown key "of"`,
		"name:":                                 `line 1: key "name" has no value`,
		"inner: ~":                              `line 1: key "inner" has no value`,
		"inner: !<tag:yaml.org,2002:null> x":    `line 1: key "inner" has no value`,
		"name: &n\ninner: *n":                   `line 2: key "inner" has no value`,
		"inner:\n- on: true\n-":                 `line 3: an item of the list has no value`,
		"name: &n\ninner:\n- *n":                `line 3: an item of the list has no value`,
		"map: &name {a: b}\n*name : c":          `line 2: unknown key "name"`,
		"inner:\n- {<<: {on: true}}":            `line 2: unknown key "<<"`,
		"a: &a [x,x]\nb: &b [*a,*a]\nname: *zz": "",
	} {
		err := Unmarshal([]byte(text), &outer{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "strictyaml") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if strings.HasPrefix(want, "line ") && want != "line " {
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
