package platform

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

func TestOpenAPIHasEveryRoute(t *testing.T) {
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	if err := yaml.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	for _, rt := range routes {
		if doc.Paths[rt.path][strings.ToLower(rt.method)] == nil {
			t.Errorf("openapi.yaml lacks %s %s", rt.method, rt.path)
		}
	}
	for _, rt := range routes {
		delete(doc.Paths, rt.path)
	}
	delete(doc.Paths, "/k8s/clusters/{cluster}/{path}")
	if len(doc.Paths) > 0 {
		t.Errorf("openapi.yaml has paths that are not served: %v", slices.Collect(maps.Keys(doc.Paths)))
	}
}

func TestEveryRowOfTheTableIsDocumented(t *testing.T) {
	doc := string(openAPI)
	for _, k := range answer.Kinds() {
		if k == answer.ClientGone {
			continue // no client gets it
		}
		if row := fmt.Sprintf("| %s | %d |", k.Code, k.Status); !strings.Contains(doc, row) {
			t.Errorf("openapi.yaml has no row %q", row)
		}
	}
}
