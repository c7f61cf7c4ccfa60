package expr

import (
	"context"
	"testing"

	"github.com/google/cel-go/common/types"
)

// TestSimple: what is evaluated without the interpreter has the value that the
// interpreter finds.
func TestSimple(t *testing.T) {
	for text, want := range map[string]bool{
		`caller.name == "alice"`: true, `"alice" == caller.name`: true, `caller.name != "alice"`: true,
		`caller.name in ["bob", "alice"]`: true, `!(caller.name in ["bob"])`: true,
		`caller.name.startsWith("al") && caller.name.endsWith("ce") || request.verb == "x"`: true,
		`caller.name.contains("lic") && (request.verb == "get" || request.verb == "list")`:  true,
		`request.verb == "list" || caller.name == "bob" || caller.name == ""`:               true,
		`caller.name == request.verb`: true, `claims.sub == "a/b/C"`: true, `claims.sub != caller.name`: true, `claims.n != "3"`: true,
		`claims.missing == "x"`: true, `claims.missing == "x" || caller.name == "alice"`: true, `caller.name == "x" || claims.missing != "x"`: true,
		`claims.missing == "x" && caller.name == "x"`: true, `!(claims.none == "x")`: true, `claims.ref_protected in ["true"]`: true,
		`cluster.labels.env == "prod"`: true, `cluster.labels.zone == "a"`: true, `claims.sub.startsWith(caller.name)`: true,
		`caller.name in caller.groups`: false, `claims.deep.a == "x"`: false, `has(claims.sub) == has(claims.x)`: false, `claims.sub`: false,
		`caller.name == "a" + "b"`: false, `["alice"] == [caller.name]`: false, `caller.name.matches("a")`: false,
		`"alice".startsWith(caller.name)`: true, `caller.name in []`: false, `true`: false, `caller.name == "a" && claims.n == 3`: false,
		`["a"].exists(x, x == "a")`: false,
	} {
		p, err := env.Compile(text, Condition)
		if err != nil {
			t.Fatal(err)
		}
		if (p.simple != nil) != want {
			t.Errorf("%s: simple %v, want %v", text, p.simple != nil, want)
		}
		compare(t, p)
	}
}

// compare compares the ways to evaluate a condition.
func compare(t *testing.T, p *Program) {
	t.Helper()
	if p.simple == nil {
		return
	}
	v, err := p.eval(context.Background(), vars(t, claims))
	// One of the two says nothing where a text is missing.
	if is, ok := p.simple(vars(t, claims)); ok && (err != nil || types.Bool(is) != v) {
		t.Errorf("%s: %v, the interpreter says %v, %v", p.text, is, v, err)
	}
	if is, faulty := p.Bool(context.Background(), vars(t, claims)); (faulty == nil) != (err == nil) || err == nil && types.Bool(is) != v {
		t.Errorf("%s: %v, %v, the interpreter says %v, %v", p.text, is, faulty, v, err)
	}
}
