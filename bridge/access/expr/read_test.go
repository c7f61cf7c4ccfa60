package expr

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParts(t *testing.T) {
	for text, want := range map[string]struct{ parts, comparisons string }{
		`caller.name == "a"`:                         {`caller.name == "a"`, "caller.name == [a]"},
		`"a" == caller.name`:                         {`"a" == caller.name`, "caller.name == [a]"},
		`claims.x == true && claims["y"] != 3`:       {`claims.x == true | claims["y"] != 3`, "claims.x == [true] | claims.y != [3]"},
		`(claims.x in ["a", "b"]) && claims.y`:       {`claims.x in ["a", "b"] | claims.y`, "claims.x in [a b] | claims.y is []"},
		`"ops" in caller.groups`:                     {`"ops" in caller.groups`, "caller.groups has [ops]"},
		`claims.x == "a" || cluster.labels.env=="b"`: {`claims.x == "a" || cluster.labels.env == "b"`, "claims.x == [a] | cluster.labels.env == [b]"},
		`!(claims.x == "a")`:                         {`!(claims.x == "a")`, "claims.x == [a]"},
		`has(claims.x) && claims.x == claims.y`:      {`has(claims.x) | claims.x == claims.y`, ""},
		`caller.name.startsWith("a")`:                {`caller.name.startsWith("a")`, ""},
		`caller.groups.exists(g, g == "a")`:          {`caller.groups.exists(g, g == "a")`, ""},
		`claims.x in claims.y`:                       {`claims.x in claims.y`, ""},
	} {
		parts, comparisons, err := env.Parts(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var texts, all []string
		for _, p := range parts {
			texts = append(texts, p.Text)
		}
		for _, c := range comparisons {
			name := c.Variable
			if c.Key != "" {
				name += "." + c.Key
			}
			all = append(all, fmt.Sprintf("%s %s %v", name, c.Operator, c.Values))
		}
		if got := strings.Join(texts, " | "); got != want.parts {
			t.Errorf("%s: parts %s", text, got)
		}
		if got := strings.Join(all, " | "); got != want.comparisons {
			t.Errorf("%s: comparisons %s, want %s", text, got, want.comparisons)
		}
	}
	if _, _, err := env.Parts("claims.x =="); err == nil {
		t.Error("a text that is not an expression has parts")
	}
}

func TestMakes(t *testing.T) {
	for text, want := range map[string][]Made{
		`"a"`:                          {{"a", true}},
		`"g:" + claims.sub`:            {{"g:", false}},
		`"g:" + "a"`:                   {{"g:a", true}},
		`"g:" + claims.sub + "x"`:      {{"g:", false}},
		`["a", "b:" + claims.sub]`:     {{"a", true}, {"b:", false}},
		`claims.list.map(x, "g:" + x)`: {{"g:", false}},
		`claims.list.map(x, x != "a", "g:" + x) + ["all"]`: {{"g:", false}, {"all", true}},
		`caller.groups.filter(g, g != "dev")`:              {{"", false}},
		`claims.list`:                                      {{"", false}},
		`claims.sub == "a" ? "x" : "y"`:                    {{"x", true}, {"y", true}},
		`[]`:                                               {},
	} {
		if got, err := env.Makes(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	if (Made{"a", true}).Can("ab") || !(Made{"a", false}).Can("ab") || !(Made{"a", true}).Can("a") || (Made{"a", false}).Can("b") {
		t.Error("Can")
	}
}
