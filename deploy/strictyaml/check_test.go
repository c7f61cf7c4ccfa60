package strictyaml

import (
	"testing"

	"go.yaml.in/yaml/v3"
)

// checkedType has a check of its own.
type checkedType struct {
	A     string       `yaml:"alpha"`
	B     bool         `yaml:"beta"`
	Items []string     `yaml:"items"`
	Sub   *checkedType `yaml:"sub"`
}

func (c *checkedType) UnmarshalYAML(n *yaml.Node) error {
	type plain checkedType
	return Decode(n, (*plain)(c), func() (all []Fault) {
		if c.A == "" {
			all = append(all, Faultf("none given").At("alpha").Unless("beta"))
		}
		if c.Items != nil && len(c.Items) < 2 {
			all = append(all, Faultf("want two").At("items"))
		}
		for i, s := range c.Items {
			if s == "x" {
				all = append(all, Faultf("%q is not good", s).At("items", i))
			}
		}
		if c.Sub != nil && c.Sub.A == c.A && c.A != "" {
			all = append(all, Faultf("it is the same as above").At("sub", "alpha"))
		}
		return all
	})
}

// A check sees what could be decoded, and what it says about the rest is left out.
func TestChecksOfTypes(t *testing.T) {
	for text, want := range map[string]string{
		"alpha: a":                              "",
		"beta: true":                            "line 1: alpha: none given",
		"beta: maybe":                           `line 1: beta: want true or false, not "maybe"`,
		"alpha: [a]":                            "line 1: alpha: want a string, not a list",
		"alpah: a":                              `line 1: unknown key "alpah": did you mean "alpha"?`,
		"gamma: a":                              "line 1: unknown key \"gamma\"; known are alpha, beta, items, sub\nline 1: alpha: none given",
		"alpha: a\nitems: [y]":                  "line 2: items: want two",
		"alpha: a\nitems: [{}]":                 "line 2: items[0]: want a string, not a mapping",
		"alpha: a\nitems: a":                    `line 2: items: want a list, not "a": write [a]`,
		"alpha: a\nitems:\n- y\n- x":            `line 4: items[1]: "x" is not good`,
		"alpha: a\nsub:\n  alpha: a":            "line 3: sub.alpha: it is the same as above",
		"alpha: a\nsub: {beta: false}":          "line 2: sub.alpha: none given",
		"beta: x\nitems: [x]\nsub: {items: []}": "line 1: beta: want true or false, not \"x\"\nline 2: items: want two\nline 2: items[0]: \"x\" is not good\nline 3: sub.alpha: none given\nline 3: sub.items: want two",
	} {
		got := ""
		if err := Unmarshal([]byte(text), new(checkedType)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q\n got %s\nwant %s", text, got, want)
		}
	}
	if err := First([]Fault{Faultf("bad").At("a", 1, "b"), Faultf("worse")}); err == nil || err.Error() != "a[1].b: bad" {
		t.Errorf("without a file: %v", err)
	}
}

// The line of what is not YAML is told, also after values over several lines.
func TestFirstBadLine(t *testing.T) {
	for text, want := range map[string]int{
		"a: b\nc: [d,\n  e,\n  f]\ng: h: i\nj: k\n": 5,
		"a: |\n  x: y: z\n  [\nb: 'c\n  d'\ne: }\n": 6,
		"a: 'b\n\n\n  c'\nd: 'e\nf: g\nh: i\n":      5,
		"# only\n# comments\n\n- a\nb: c\n":         5,
	} {
		if got := firstBadLine([]byte(text)); got != want {
			t.Errorf("%q: line %d, want %d", text, got, want)
		}
	}
}
