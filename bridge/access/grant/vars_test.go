package grant

import (
	"slices"
	"testing"
)

// Every variable that is declared has a value of its own.
func TestVariables(t *testing.T) {
	seen := map[variable]string{}
	for _, name := range names {
		n, ok := number(name)
		if other, twice := seen[n]; !ok || twice && !slices.Contains([]string{name, other}, "claims") {
			t.Errorf("%s is variable %d, as is %q", name, n, other)
		}
		seen[n] = name
	}
	if len(seen) != int(variables) {
		t.Errorf("%d of %d variables have names", len(seen), variables)
	}
	v := vars{caller: gitlab(job), request: newRequest(nil, must(get("prod", "/version").Info()), nil)}
	for _, name := range names {
		if value, ok := v.ResolveName(name); !ok || value == nil {
			t.Errorf("%s has no value", name)
		}
	}
	if _, ok := v.ResolveName("request.verbs"); ok {
		t.Error("a variable that is not declared has a value")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
