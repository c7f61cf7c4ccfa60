package expr

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var env = NewEnv(Variables{
	"caller.name": StringType, "caller.groups": StringsType, "claims": ClaimsType, "request.verb": StringType,
	"cluster.labels": LabelsType,
})

func vars(t testing.TB, claims map[string]any) cel.Activation {
	t.Helper()
	a, err := cel.NewActivation(map[string]any{
		"caller.name": "alice", "caller.groups": []string{"dev", "ops"}, "claims": types.NewStringInterfaceMap(types.DefaultTypeAdapter, claims),
		"request.verb": "get", "cluster.labels": types.NewStringStringMap(types.DefaultTypeAdapter, map[string]string{"env": "prod"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var claims = map[string]any{
	"sub": "a/b/C", "ref_protected": "true", "n": 3.0, "list": []any{"x", "y"}, "deep": map[string]any{"a": map[string]any{"b": true}},
	"mixed": []any{"x", 1.0}, "none": nil,
}

func TestConditions(t *testing.T) {
	for text, want := range map[string]struct {
		is  bool
		why string
	}{
		`caller.name == "alice"`:                                {true, ""},
		`caller.name == "bob"`:                                  {false, ""},
		`"ops" in caller.groups`:                                {true, ""},
		`caller.groups.exists(g, g.startsWith("o"))`:            {true, ""},
		`claims.ref_protected == "true"`:                        {true, ""},
		`claims.ref_protected == true`:                          {false, ""},
		`claims.n == 3 && claims.n > 2`:                         {true, ""},
		`claims.deep.a.b`:                                       {true, ""},
		`claims.missing == "x"`:                                 {false, "no such key: missing"},
		`claims.missing != "x"`:                                 {false, "no such key: missing"},
		`!(claims.missing == "x")`:                              {false, "no such key: missing"},
		`has(claims.missing) && claims.missing == "x"`:          {false, ""},
		`claims.missing == "x" || caller.name == "alice"`:       {true, ""},
		`claims.sub`:                                            {false, "neither true nor false"},
		`claims.sub.matches("^a/[a-z]/C$")`:                     {true, ""},
		`claims.sub.split("/")[2].lowerAscii() == "c"`:          {true, ""},
		`claims.sub.replace("/", "-") == "a-b-C"`:               {true, ""},
		`cluster.labels["env"] == "prod"`:                       {true, ""},
		`cluster.labels.env in ["prod", "test"]`:                {true, ""},
		`cluster.labels.zone == "a"`:                            {false, "no such key: zone"},
		`request.verb in ["get", "list"]`:                       {true, ""},
		`claims.all(caller, caller != "")`:                      {true, ""}, // a variable of its own
		`claims.list.exists(x, x == "y") && "x" in claims.list`: {true, ""},
	} {
		p, err := env.Compile(text, Condition)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		is, err := p.Bool(t.Context(), vars(t, claims))
		if is != want.is || (err == nil) != (want.why == "") || err != nil && !strings.Contains(err.Error(), want.why) {
			t.Errorf("%s: %v, %v, want %v, %q", text, is, err, want.is, want.why)
		}
	}
}

// Every fault that can be found before the first request is found when compiling.
func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "column 1: ",
		`caller.nam == "x"`: "column 1: caller has no field nam; fields are groups, name: did you mean caller.name?",
		"caller.name == \"a\" &&\n request.verbs == \"x\"": "line 2 column 2: request has no field verbs; fields are verb: did you mean request.verb?",
		`caller.name == 1`:                   "column 13: == compares a string with a number, which is never the same: put the value in quotes",
		`caller.name`:                        "column 1: the expression is a string, and must be true or false",
		`claims.x ==`:                        "column 12: the expression ends too early: a value is missing, or a ]",
		`caller.name.matches("(")`:           "column 21: this is not a regular expression of RE2",
		`caller.name.matches("(a{50}){50}")`: "column 21: ",
		`caller.name == "x`:                  "column 16: a quote is opened and not closed",
		`getenv("HOME") == "x"`:              "column 7: there is no function getenv; functions are startsWith, endsWith",
		strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100): "recursion",
		`"` + strings.Repeat("x", maxText) + `" == caller.name`:      "at most 2048 allowed",
		`[` + strings.Repeat("1,", 1000) + `1] == []`:                "",
		`[1].all(a, [1].all(b, [1].all(c, [1].all(d, true))))`:       "comprehension",
	} {
		_, err := env.Compile(text, Condition)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 500 {
			t.Errorf("%.80s: %v, want %q", text, err, want)
		}
	}
}

// Mistakes of people who have not read the grammar of CEL, told in their terms.
func TestFaultsInPlainWords(t *testing.T) {
	for text, want := range map[string]string{
		`caller == "a"`:                               "column 1: caller is not a value by itself; its fields are groups, name",
		`callr.name == "a"`:                           "column 1: there is no variable callr: did you mean caller?",
		`claim.x == "a"`:                              "column 1: there is no variable claim: did you mean claims?",
		`cluster.label.env == "x"`:                    "column 1: cluster has no field label; fields are labels: did you mean cluster.labels?",
		`request.verb == get`:                         "column 17: there is no variable get; there are caller, claims, cluster, request, and a text must be in quotes",
		`caller.name.startWith("a")`:                  "column 22: there is no function startWith: did you mean startsWith?",
		`startsWith(caller.name, "a")`:                "column 11: startsWith is written after its value: value.startsWith(...)",
		`caller.groups.contains("x")`:                 `column 23: contains cannot be applied to a list: write "item" in list`,
		`caller.groups == "x"`:                        `column 15: == compares a list with a string, which is never the same: write "item" in list`,
		`caller.groups.exists(g, gg == "a")`:          "column 25: there is no variable gg; there are caller,",
		`"a" in caller.name`:                          "column 5: in wants a list or a mapping on its right, and this is a string",
		`!caller.name`:                                "column 1: ! wants true or false, and this is a string",
		`caller.name && true`:                         "column 7: true or false is wanted here, and this is a string",
		`("a" in caller.groups) == "true"`:            "column 24: == compares true or false with a string, which is never the same: write the value without quotes",
		`cluster.labels.env == 1`:                     "column 20: == compares a string with a number, which is never the same: put the value in quotes",
		`caller.name > 3`:                             "column 13: > cannot be applied to a string and a number",
		`claims.x = "a"`:                              "column 10: = is not an operator: compare with ==",
		`claims.x === "a"`:                            "column 12: = is not an operator: compare with ==",
		`claims.x == "a" and claims.y == "b"`:         "column 17: and is not an operator: write &&",
		`claims.x == "a" or claims.y == "b"`:          "column 17: or is not an operator: write ||",
		`claims.x is "a"`:                             "column 10: is is not an operator: write ==",
		`request.verb not in ["get"]`:                 "column 14: not is not an operator: write !",
		`claims.x == "a" claims.y == "b"`:             "column 17: claims is not expected here: the expression was at its end; join conditions with && or ||",
		`claims.x == “a”`:                             `column 13: “ is not a quote: write "`,
		`(claims.x == "a"`:                            "column 17: a ( is opened and not closed",
		`claims.x in ["a"`:                            "column 17: the expression ends too early: a value is missing, or a ]",
		`claims.x == ) `:                              "column 13: ) stands where a value is wanted",
		`caller.name == "a" ||`:                       "column 22: the expression ends too early: a value is missing, or a ]",
		`duration("x") == duration("1s")`:             `column 10: this is not a duration such as "30m"`,
		"caller.name == \"ä\" && caller.nam == \"x\"": "column 23: caller has no field nam; fields are groups, name: did you mean caller.name?",
	} {
		_, err := env.Compile(text, Condition)
		if err == nil || !strings.HasPrefix(err.Error(), "expression, "+want) {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestTexts(t *testing.T) {
	for text, want := range map[string]string{
		`"gitlab:" + claims.sub`:              "gitlab:a/b/C",
		`["a", claims.sub]`:                   "a a/b/C",
		`claims.list`:                         "x y",
		`claims.list.map(x, "g:" + x)`:        "g:x g:y",
		`caller.groups.filter(g, g != "dev")`: "ops",
		`[]`:                                  "",
		`claims.mixed`:                        "! item 1 of the list is not a string",
		`claims.n`:                            "! it is a double, not a string",
		`claims.none`:                         "! it is a null_type, not a string",
		`claims.deep`:                         "! it is a map, not a string",
		`"g:" + claims.missing`:               "! no such key: missing",
	} {
		p, err := env.Compile(text, Texts)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		all, err := p.Strings(t.Context(), vars(t, claims))
		got := strings.Join(all, " ")
		if err != nil {
			got = "! " + err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{`true`, `1`, `{"a": "b"}`} {
		if _, err := env.Compile(text, Texts); err == nil || !strings.Contains(err.Error(), "must be a list of strings, or a string") {
			t.Errorf("%s: %v, want a fault of its type", text, err)
		}
	}
	if _, err := env.Compile(`caller.groups`, Text); err == nil || !strings.Contains(err.Error(), "must be a string") {
		t.Errorf("a list as a text: %v", err)
	}
}

// A name that is meant as it is, and not as an expression.
func TestFixedTexts(t *testing.T) {
	for text, want := range map[string]string{
		"gitlab:ci":   `expression, column 1: gitlab:ci is not an expression: a fixed text has quotes of its own, as in '"gitlab:ci"'`,
		"deployers":   `expression, column 1: deployers is not an expression: a fixed text has quotes of its own, as in '"deployers"'`,
		"caller.nam":  "expression, column 1: caller has no field nam; fields are groups, name: did you mean caller.name?",
		"caller.name": "<nil>",
	} {
		if _, err := env.Compile(text, Texts); fmt.Sprint(err) != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestMentions(t *testing.T) {
	p, err := env.Compile(`["a"].exists(x, x == claims.sub) && request.verb in ["get"]`, Condition)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Mentions("claims") || !p.Mentions("request.verb") || p.Mentions("caller.name") || !p.HasLiteral("get") || p.HasLiteral("ge") {
		t.Errorf("mentions %v, literals %v", p.mentions, p.literals)
	}
}

func TestPossible(t *testing.T) {
	for text, want := range map[string]bool{
		`request.verb == "list"`:                                    true,
		`caller.name == "bob" && request.verb == "list"`:            false,
		`caller.name == "bob" || request.verb == "list"`:            true,
		`caller.name == "alice"`:                                    true,
		`caller.name == "bob"`:                                      false,
		`cluster.labels.env == "test"`:                              true,
		`cluster.labels.env == "test" && claims.missing == "x"`:     false, // an error, or false
		`claims.missing == "x" && request.verb == "list"`:           false,
		`claims.missing == "x" || request.verb == "list"`:           true,
		`!(claims.missing == "x" || request.verb == "list")`:        false, // an error, or false
		`!(request.verb == "list" && caller.name == "alice")`:       true,
		`!(request.verb == "list" || caller.name == "alice")`:       false,
		`request.verb == "a" ? caller.name == "bob" : !claims.none`: false,
		`request.verb == "a" ? caller.name == "bob" : true`:         true,
		`claims.missing ? request.verb == "a" : true`:               false,
		`claims.missing == "x"`:                                     false,
		`cluster.labels.exists(k, k == "a") && caller.name == "bo"`: false,
	} {
		p, err := env.Compile(text, Condition)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Possible(t.Context(), vars(t, claims), "request.verb", "cluster.labels"); got != want {
			t.Errorf("%s: possible %v, want %v", text, got, want)
		}
	}
}

// bombs are expressions that take memory or time without a bound: for each, an
// evaluation ends soon and is not true, or it is refused when it is compiled.
var bombs = map[string]string{
	"nested loops": `caller.groups.all(a, claims.big.all(b, claims.big.all(c, a + b + c != "")))`,
	"doubling":     `["` + strings.Repeat("x", 100) + `"]` + strings.Repeat(`.map(x, x+x)`, 60) + ` == []`,
	"lists":        `[[1]]` + strings.Repeat(`.map(x, x+x)`, 60) + ` == []`,
	"replace": `"` + strings.Repeat("a", 100) + `"` + strings.Repeat(`.replace("a", "`+strings.Repeat("a", 200)+`")`, 6) +
		` == ""`,
	"split":       `claims.long.split("").all(x, claims.long.split("").all(y, x == y))`,
	"regex":       `claims.big.all(x, claims.long.matches("(a*)*(a*)*b" + x))`,
	"huge regex":  `claims.long.matches("((((a{9}){9}){9}){9})" + claims.sub)`,
	"contains":    `claims.big.all(x, claims.big.all(y, claims.long.contains(claims.long)))`,
	"bytes":       `claims.big.all(x, bytes(claims.long) + bytes(claims.long) != b"")`,
	"deep claims": `claims.big.all(x, claims == claims && {"a": claims} == {"a": claims})`,
}

func TestBombs(t *testing.T) {
	big := make([]any, 1000)
	for i := range big {
		big[i] = "x"
	}
	hostile := vars(t, map[string]any{"big": big, "long": strings.Repeat("a", 50_000), "sub": "x"})
	for name, text := range bombs {
		p, err := env.Compile(text, Condition)
		if err != nil {
			t.Logf("%s: refused: %v", name, err)
			continue
		}
		start := time.Now()
		var is bool
		allocated := testing.AllocsPerRun(1, func() { is, err = p.Bool(t.Context(), hostile) })
		took := time.Since(start) / 2 // AllocsPerRun makes a first run
		if is {
			t.Errorf("%s: true, %v", name, err)
		}
		if took > time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		t.Logf("%s: %v after %v and %.0f allocations", name, err, took, allocated)
	}
}

// A loop ends with its context, even below the bound of the cost.
func TestInterrupt(t *testing.T) {
	p, err := env.Compile(`claims.big.all(x, x != "y")`, Condition)
	if err != nil {
		t.Fatal(err)
	}
	big := make([]any, 1000)
	for i := range big {
		big[i] = "x"
	}
	v := vars(t, map[string]any{"big": big})
	if is, err := p.Bool(t.Context(), v); !is || err != nil {
		t.Fatalf("in time: %v, %v", is, err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if is, err := p.Bool(over, v); is || err == nil {
		t.Errorf("after its context: %v, %v, want an error", is, err)
	}
}

func FuzzCompile(f *testing.F) {
	for _, text := range bombs {
		f.Add(text)
	}
	f.Add(`caller.name in ["a", "alice"] && !(request.verb == "get" || request.verb.startsWith("ge")) || cluster.labels.env != "prod"`)
	f.Add(`claims.a.b[0] == "x" && caller.name.matches("a+")`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range []Result{Condition, Text, Texts} {
			p, err := env.Compile(text, r)
			if err != nil {
				continue
			}
			compare(t, p)
			start := time.Now()
			is, err := p.Bool(t.Context(), vars(t, claims))
			if is && err != nil {
				t.Errorf("true in spite of %v", err)
			}
			_, _ = p.Strings(t.Context(), vars(t, claims))
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		}
	})
}

func BenchmarkBool(b *testing.B) {
	v := vars(b, claims)
	for _, text := range []string{
		`request.verb == "list"`, `request.verb in ["list", "watch"]`, `claims.ref_protected == "true"`,
		`caller.groups.exists(g, g == "ops")`,
	} {
		p, err := env.Compile(text, Condition)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = p.Bool(b.Context(), v)
			}
		})
	}
}
