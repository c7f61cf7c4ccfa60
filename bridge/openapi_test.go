package bridge

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

// TestOpenAPIHasEveryRoute: the description has what is served, and nothing else.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	text, err := os.ReadFile("platform/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Paths map[string]map[string]any }
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	routes := newRig(t, rigOptions{}).server.platform.Routes()
	for _, rt := range routes {
		if doc.Paths[rt.Path][strings.ToLower(rt.Method)] == nil {
			t.Errorf("openapi.yaml lacks %s %s", rt.Method, rt.Path)
		}
		if at, ok := rt.Match(rt.Path); !ok || strings.Contains(rt.Path, "{") == (at == endpoint.Place{}) {
			t.Errorf("%s: %+v, %v", rt.Path, at, ok)
		}
	}
	for _, rt := range routes {
		delete(doc.Paths, rt.Path)
	}
	delete(doc.Paths, "/k8s/clusters/{cluster}/{path}")
	if len(doc.Paths) > 0 {
		t.Errorf("openapi.yaml has paths that are not served: %v", slices.Collect(maps.Keys(doc.Paths)))
	}
}
