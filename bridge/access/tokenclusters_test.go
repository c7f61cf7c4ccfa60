package access

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
)

func TestPatterns(t *testing.T) {
	refs := []string{"prod", "dev", "prod.acme", "dev.acme", "prod.lab"}
	for pattern, want := range map[string]string{
		"*":            "prod dev prod.acme dev.acme prod.lab",
		"prod":         "prod",
		"prod.default": "prod",
		"*.default":    "prod dev",
		"*.acme":       "prod.acme dev.acme",
		"prod.acme":    "prod.acme",
	} {
		p, err := ParsePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		c := &Caller{Name: "c", Clusters: []Pattern{p}}
		var got []string
		for _, s := range refs {
			ref, err := subjects.ParseClusterRef(s)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := (TokenClusters{}).Authorize(t.Context(), c, &Request{Cluster: ref}); err == nil {
				got = append(got, s)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s matches %v, want %s", pattern, got, want)
		}
		if again, err := ParsePattern(p.String()); err != nil || again != p {
			t.Errorf("%s: String gives %s, parsed as %v, %v", pattern, p.String(), again, err)
		}
	}
	for _, bad := range []string{"", "*.", "*.*", "pro*", "a.b.c", "A", "prod.*"} {
		if p, err := ParsePattern(bad); err == nil {
			t.Errorf("%q parsed as %v", bad, p)
		}
	}
	if _, err := ParsePattern("pr*d.acme"); err == nil || !strings.Contains(err.Error(), `"pr*d.acme": a * stands for a whole part only`) {
		t.Errorf("a * within a name: %v", err)
	}
	acme, _ := ParsePattern("*.acme")
	c := &Caller{Clusters: []Pattern{acme}}
	if !(TokenClusters{}).AuthorizeTenant(c, "acme") || (TokenClusters{}).AuthorizeTenant(c, "lab") {
		t.Error("AuthorizeTenant is wrong about *.acme")
	}
}
